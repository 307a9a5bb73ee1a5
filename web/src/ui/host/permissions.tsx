/** What a plugin asks for, whether it is allowed, and to change that. */
import type { Permission, Plugin } from "./host_service.ts";
import type { Permits } from "./permits.ts";

/** What each is, as what a plugin can use. */
export const WHAT: Readonly<Record<string, string>> = {
  files: "Folders of yours",
  gpu: "The graphics card",
  network: "The network",
  processes: "Other programs",
};

const STATES: Readonly<Record<Permission["state"], string>> = {
  allowed: "Allowed",
  refused: "Not allowed",
  unasked: "Not allowed",
  always: "Isolated as well",
};

type PermissionsProps = { readonly plugin: Plugin; readonly permits: Permits };

export function Permissions({ plugin, permits }: PermissionsProps) {
  if (plugin.permissions.length === 0) return null;
  return (
    <ul class="permissions" aria-label={`Permissions of ${plugin.name}`}>
      {plugin.permissions.map((permission) => (
        <PermissionLine
          key={permission.name}
          plugin={plugin}
          permission={permission}
          permits={permits}
        />
      ))}
    </ul>
  );
}

type PermissionLineProps = PermissionsProps & { readonly permission: Permission };

function PermissionLine({ plugin, permission, permits }: PermissionLineProps) {
  const { name, reason, state, folders } = permission;
  const what = WHAT[name] ?? name;
  const isAllowed = state === "allowed";
  const change = () => {
    if (isAllowed) void permits.answer(plugin, { [name]: false });
    else if (name === "files") void permits.ask(plugin, [permission]);
    else void permits.answer(plugin, { [name]: true });
  };
  return (
    <li class={`permission permission-${state}`}>
      <span class="permission-text">
        <span class="permission-what">{what}</span>
        {reason && <span class="dim">: {reason}</span>}
        {folders.map((folder) => (
          <span key={folder} class="permission-folder">
            {folder}
          </span>
        ))}
      </span>
      <span class="permission-state">{STATES[state]}</span>
      {plugin.may_allow && state !== "always" && (
        <button
          type="button"
          class="button"
          aria-label={`${isAllowed ? "Revoke" : "Allow"}: ${what} (${plugin.name})`}
          onClick={change}
        >
          {isAllowed ? "Revoke" : "Allow"}
        </button>
      )}
    </li>
  );
}
