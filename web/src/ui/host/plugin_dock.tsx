/** The panel of plugins: the list of them or the form of one operation, and below it the jobs. */
import type { Desk } from "../desk.ts";
import { IconButton } from "../icons.tsx";
import { PanelEdge, type PanelWidth } from "../panel_edge.tsx";
import type { PluginsParts } from "../plugins/plugins_parts.ts";
import { AddPlugin } from "./add_plugin.tsx";
import type { HostLink, LinkState } from "./host_link.ts";
import { ImjoyForm } from "./imjoy_form.tsx";
import { isImjoy } from "./imjoy_plugin.ts";
import { JobList } from "./job_list.tsx";
import type { Jobs } from "./jobs.ts";
import type { LayerBin } from "./layer_bin.ts";
import { OperationForm } from "./operation_form.tsx";
import { PermissionDialog } from "./permission_dialog.tsx";
import type { Permits } from "./permits.ts";
import { PluginList } from "./plugin_list.tsx";
import type { PluginShelf } from "./plugin_shelf.ts";

type PluginDockProps = {
  readonly desk: Desk;
  readonly link: HostLink;
  readonly shelf: PluginShelf;
  readonly permits: Permits;
  readonly jobs: Jobs;
  readonly bin: LayerBin;
  /** Null until it was loaded. */
  readonly plugins: PluginsParts | null;
  readonly width: PanelWidth;
  readonly onClose: () => void;
  /** Looks for what the table at an address can be run with. */
  readonly onRunWith: (address: string) => void;
};

export function PluginDock(props: PluginDockProps) {
  const { desk, link, shelf, permits, jobs, bin, plugins, width, onClose, onRunWith } = props;
  const chosen = shelf.chosen.value;
  return (
    <section class="dock" aria-label="Plugins" style={{ width: `${width.pixels}px` }}>
      <PanelEdge width={width} side="left" label="Width of the plugins panel" />
      <header class="dock-header">
        {chosen && (
          <IconButton icon="previous" label="All plugins" onClick={() => shelf.showList()} />
        )}
        <h2 class="dock-title" title={chosen?.operation.title ?? "Plugins"}>
          {chosen?.operation.title ?? "Plugins"}
        </h2>
        {!chosen && <AddPlugin shelf={shelf} plugins={plugins} />}
        <IconButton icon="close" label="Close plugins" hint="R" onClick={onClose} />
      </header>
      <LinkLine state={link.state.value} />
      {chosen && isImjoy(chosen.plugin) ? (
        <ImjoyForm
          key={chosen.plugin.id}
          desk={desk}
          chosen={chosen}
          draft={shelf.draftOf(chosen)}
          permits={permits}
          plugins={plugins}
          isOpen={link.state.value === "open"}
        />
      ) : chosen ? (
        <OperationForm
          key={`${chosen.plugin.id} ${chosen.operation.name}`}
          desk={desk}
          link={link}
          jobs={jobs}
          permits={permits}
          chosen={chosen}
          draft={shelf.draftOf(chosen)}
        />
      ) : (
        <PluginList shelf={shelf} permits={permits} plugins={plugins} />
      )}
      <JobList
        desk={desk}
        jobs={jobs}
        bin={bin}
        onChange={(job) => {
          if (job.request && shelf.chooseAgain(job.request)) jobs.changing.value = job;
        }}
        onRun={onRunWith}
      />
      <PermissionDialog permits={permits} />
    </section>
  );
}

function LinkLine({ state }: { readonly state: LinkState }) {
  if (state === "open") return null;
  return (
    <p class="dock-link" role="status">
      <span class="spinner" aria-hidden="true" />
      {state === "lost" ? "No connection to the host. Trying again …" : "Connecting to the host …"}
    </p>
  );
}
