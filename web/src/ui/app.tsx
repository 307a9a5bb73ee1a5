/** The app: a panel, a canvas, sliders below it, a status bar. */
import type { ReadonlySignal } from "@preact/signals";
import type { Commands } from "./commands.ts";
import type { Desk } from "./desk.ts";
import { DimensionSliders } from "./dimension_sliders.tsx";
import { Help } from "./help.tsx";
import type { HistogramSource } from "./histogram_source.ts";
import type { HostParts } from "./host/host_parts.ts";
import { Hud, ProgressLine } from "./hud.tsx";
import { ConnectionBanner, NoticeList } from "./notice_list.tsx";
import type { Notices } from "./notices.ts";
import { CanvasOverlays, StageOverlays } from "./overlays/overlays.tsx";
import type { Playback } from "./playback.ts";
import type { LinkedViews } from "./quad/linked_views.ts";
import { Cross, QuadPanels } from "./quad/quad_panels.tsx";
import { SidePanel } from "./side_panel.tsx";
import { CanvasHolder, EmptyStage } from "./stage.tsx";
import { StatusBar } from "./status_bar.tsx";
import { Toolbar } from "./toolbar.tsx";
import { VolumeBar } from "./volume_bar.tsx";

/** All that comes to be once the viewer is there. */
export type Tools = {
  readonly desk: Desk;
  readonly commands: Commands;
  readonly playback: Playback;
  readonly views: LinkedViews;
  readonly histograms: HistogramSource;
  /** Null until it was loaded, which the canvas does not wait for. */
  readonly host: ReadonlySignal<HostParts | null>;
};

type AppProps = {
  readonly canvas: HTMLCanvasElement;
  readonly notices: Notices;
  /** Null while the app starts: the canvas has its place and size from the first frame on. */
  readonly tools: Tools | null;
};

export function App({ canvas, notices, tools }: AppProps) {
  const panelOpen = tools === null || tools.commands.panelOpen.value;
  const host = tools?.host.value ?? null;
  const isQuad = tools?.views.isOpen.value ?? false;
  return (
    <div class="app">
      {panelOpen &&
        (tools ? (
          <SidePanel
            desk={tools.desk}
            histograms={tools.histograms}
            onRemove={host?.removeLayer.value ?? null}
            onSend={host?.sendToNapari.value ?? null}
            onRun={host?.runWith.value ?? null}
          />
        ) : (
          <div class="panel panel-waiting" />
        ))}
      <main
        class={isQuad ? "stage stage-quad" : "stage"}
        aria-label="Canvas"
        style={stageStyle(host)}
      >
        <div class="quad-panel quad-main">
          <CanvasHolder canvas={canvas} />
          {tools && <CanvasOverlays desk={tools.desk} view={tools.desk} />}
          {isQuad && <Cross />}
        </div>
        {tools && <QuadPanels desk={tools.desk} views={tools.views} />}
        <EmptyStage desk={tools?.desk ?? null} />
        {tools && (
          <>
            <StageOverlays desk={tools.desk} />
            <ProgressLine desk={tools.desk} />
            <VolumeBar desk={tools.desk} />
            <Toolbar desk={tools.desk} views={tools.views} commands={tools.commands} />
            <Hud desk={tools.desk} views={tools.views} commands={tools.commands} />
            <ConnectionBanner connection={tools.desk.connection.value} />
          </>
        )}
      </main>
      {host && <host.Windows />}
      <div class="notice-cell">
        <NoticeList notices={notices} />
      </div>
      {tools && <DimensionSliders desk={tools.desk} playback={tools.playback} />}
      {tools?.commands.pluginsOpen.value && (host ? <host.Dock /> : <div class="dock" />)}
      {tools ? <StatusBar desk={tools.desk} host={host} /> : <div class="status" />}
      {host && <host.DropTarget />}
      {host && <host.Dialogs />}
      {tools && <Help commands={tools.commands} />}
    </div>
  );
}

/** Windows of plugins leave the canvas a part of its cell. */
function stageStyle(host: HostParts | null): Record<string, string> {
  const inset = host?.imageInset.value ?? null;
  if (inset === null) return {};
  return inset === "hidden" ? { visibility: "hidden" } : { margin: inset };
}

/** The canvas alone, for measured runs. */
export function BareApp({ canvas }: { readonly canvas: HTMLCanvasElement }) {
  return (
    <main class="bare" aria-label="Canvas">
      <CanvasHolder canvas={canvas} />
    </main>
  );
}
