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

const BRIEFLY: Readonly<Record<string, string>> = {
  files: "files",
  gpu: "graphics card",
  network: "network",
  processes: "other programs",
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
    <details class="permissions">
      <summary class="permissions-summary">{summaryOf(plugin.permissions)}</summary>
      <ul class="permission-list" aria-label={`Permissions of ${plugin.name}`}>
        {plugin.permissions.map((permission) => (
          <PermissionLine
            key={permission.name}
            plugin={plugin}
            permission={permission}
            permits={permits}
          />
        ))}
      </ul>
    </details>
  );
}

/** All of them in one line. */
export function summaryOf(permissions: readonly Permission[]): string {
  const named = (states: readonly Permission["state"][]) =>
    permissions
      .filter(({ state }) => states.includes(state))
      .map(({ name }) => BRIEFLY[name] ?? name)
      .join(", ");
  const may = named(["allowed", "always"]);
  const mayNot = named(["refused", "unasked"]);
  if (may === "") return `May not use: ${mayNot}`;
  return mayNot === "" ? `May use: ${may}` : `May use: ${may}; not: ${mayNot}`;
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
