/** The commands that have a button. */
import type { Commands } from "./commands.ts";
import type { Desk } from "./desk.ts";
import { Icon, IconButton } from "./icons.tsx";
import { OverlayMenu } from "./overlays/overlay_menu.tsx";
import type { LinkedViews } from "./quad/linked_views.ts";

type ToolbarProps = {
  readonly desk: Desk;
  readonly views: LinkedViews;
  readonly commands: Commands;
};

export function Toolbar({ desk, views, commands }: ToolbarProps) {
  const full = commands.fullScreen.value;
  return (
    <div class="toolbar" role="toolbar" aria-label="Commands">
      <IconButton
        icon="panel"
        label="Layer panel"
        hint="P"
        pressed={commands.panelOpen.value}
        onClick={() => commands.run("togglePanel")}
      />
      <IconButton
        icon="fit"
        label="Show everything"
        hint="Home"
        onClick={() => commands.run("fit")}
      />
      <IconButton
        icon="turn"
        label="A slice along other axes"
        hint="O"
        disabled={desk.axes.value.length === 0 || !!desk.camera.value?.volume}
        onClick={() => commands.run("turn")}
      />
      <IconButton
        icon="volume"
        label="3D"
        hint="3"
        pressed={!!desk.camera.value?.volume}
        onClick={() => commands.run("toggleVolume")}
      />
      <IconButton
        icon="quad"
        label="Four views"
        hint="4"
        pressed={views.isOpen.value}
        disabled={views.depth.value === null && !views.isOpen.value}
        onClick={() => commands.run("toggleQuad")}
      />
      <OverlayMenu desk={desk} />
      <IconButton
        icon="link"
        label="Copy link to this view"
        hint="L"
        onClick={() => commands.run("copyLink")}
      />
      <IconButton
        icon="camera"
        label="Save screenshot"
        hint="S"
        onClick={() => commands.run("saveScreenshot")}
      />
      <IconButton
        icon={full ? "fullScreenOff" : "fullScreen"}
        label="Full screen"
        hint="F"
        pressed={full}
        onClick={() => commands.run("fullScreen")}
      />
      <IconButton icon="help" label="Keys" hint="?" onClick={() => commands.run("help")} />
      <button
        type="button"
        class="icon-button toolbar-plugins"
        aria-label="Plugins"
        aria-pressed={commands.pluginsOpen.value}
        title="Plugins (R)"
        onClick={() => commands.run("togglePlugins")}
      >
        <Icon name="plugin" />
        <span class="toolbar-text">Plugins</span>
      </button>
    </div>
  );
}
