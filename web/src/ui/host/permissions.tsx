/** What a plugin wants to be allowed. */
import type { Permission } from "./host_service.ts";

const TEXT: Readonly<Record<string, string>> = {
  files: "your files",
  gpu: "the graphics card",
  network: "the network",
  processes: "to start other programs",
};

export function Permissions({ permissions }: { readonly permissions: readonly Permission[] }) {
  if (permissions.length === 0) return null;
  return (
    <ul class="permissions" aria-label="Permissions">
      {permissions.map(({ name, reason }) => (
        <li key={name} class="permission">
          Wants {TEXT[name] ?? name}
          {reason && <span class="dim">: {reason}</span>}
        </li>
      ))}
    </ul>
  );
}
