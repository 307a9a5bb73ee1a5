/** Icons of the app: strokes of 1.5 on a grid of 16, in the colour of the text around them. */

const PATHS = {
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8Z M8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  eyeOff:
    "M2.5 2.5l11 11 M6.3 3.8A6.6 6.6 0 0 1 8 3.5C12 3.5 14.5 8 14.5 8a11.5 11.5 0 0 1-2 2.5 M9.7 12.2A6.6 6.6 0 0 1 8 12.5C4 12.5 1.5 8 1.5 8a11.6 11.6 0 0 1 2.3-2.8",
  image: "M2 3.5h12v9H2Z M2 10.5l3.5-3 3 2.5 2-1.5 3.5 2.5",
  labels: "M8.5 2.5H13a.5.5 0 0 1 .5.5v4.5l-6 6-5-5Z M11 5.5v.01",
  rgb: "M8 7a2.8 2.8 0 1 0 0-5 2.8 2.8 0 1 0 0 5Z M5.3 13.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 1 0 0 5.6Z M10.7 13.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 1 0 0 5.6Z",
  points:
    "M4 5.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 1 0 0 2.4Z M11 4.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 1 0 0 2.4Z M8 9.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 1 0 0 2.4Z M12.5 13.2a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 1 0 0 2.4Z M4.5 13.7a1.2 1.2 0 1 0 0-2.4 1.2 1.2 0 1 0 0 2.4Z",
  fit: "M2.5 5.5v-3h3 M10.5 2.5h3v3 M13.5 10.5v3h-3 M5.5 13.5h-3v-3 M5.5 5.5h5v5h-5Z",
  volume: "M8 1.8l5.5 3v6.4l-5.5 3-5.5-3V4.8Z M2.5 4.8L8 8l5.5-3.2 M8 8v6.2",
  turn: "M2.5 5.5h7v8h-7Z M5 5.5l2-3h6.5v7.5l-4 2 M9.5 5.5l4-3",
  quad: "M2 3h12v10H2Z M8 3v10 M2 8h12",
  overlays: "M2 3h12v10H2Z M4.5 10.5h4 M4.5 9.5v2 M8.5 9.5v2 M11.5 5.5v2.5h-2.5",
  link: "M6.5 9.5l3-3 M7 5l1.5-1.5a2.8 2.8 0 0 1 4 4L11 9 M9 11l-1.5 1.5a2.8 2.8 0 0 1-4-4L5 7",
  camera: "M2 5h2.5l1-1.5h5l1 1.5H14v7.5H2Z M8 11a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 1 0 0 4.6Z",
  fullScreen: "M9.5 2.5h4v4 M13.5 2.5l-4 4 M6.5 13.5h-4v-4 M2.5 13.5l4-4",
  fullScreenOff: "M13.5 6.5h-4v-4 M9.5 6.5l4-4 M2.5 9.5h4v4 M6.5 9.5l-4 4",
  panel: "M2 3h12v10H2Z M6 3v10",
  help: "M6 6.2a2 2 0 1 1 2.8 1.9c-.6.3-.8.7-.8 1.4 M8 11.8v.01 M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 1 0 0 13Z",
  numbers: "M2.5 13.5V8 M6.2 13.5V4.5 M9.8 13.5v-3.5 M13.5 13.5v-11",
  play: "M5 3.2v9.6l7.5-4.8Z",
  pause: "M5.5 3.5v9 M10.5 3.5v9",
  previous: "M10 3.5L5.5 8l4.5 4.5",
  next: "M6 3.5L10.5 8 6 12.5",
  close: "M4 4l8 8 M12 4l-8 8",
  chevron: "M4.5 6.5L8 10l3.5-3.5",
  undo: "M5.5 3L2.5 6l3 3 M2.5 6h6.5a4 4 0 0 1 0 8H6",
  redo: "M10.5 3l3 3-3 3 M13.5 6H7a4 4 0 0 0 0 8h3",
  plugin:
    "M6.2 4.5V3.6a1.8 1.8 0 1 1 3.6 0v.9H13v3.2h-.9a1.8 1.8 0 1 0 0 3.6h.9v2.2H3V11h.9a1.8 1.8 0 1 0 0-3.6H3V4.5Z",
  send: "M6.5 3h-4v10.5H13v-4 M9.5 2.5h4v4 M13.5 2.5L7 9",
  add: "M8 3v10 M3 8h10",
  update: "M8 2v7.5 M4.8 6.5L8 9.7l3.2-3.2 M2.5 9.5a5.5 5.5 0 0 0 11 0",
  again: "M13 8a5 5 0 1 1-1.6-3.7 M13.2 2.5v2.8h-2.8",
  change: "M2.5 4.5h6 M12.5 4.5h1 M10.5 3v3 M2.5 11.5h1 M7.5 11.5h6 M5.5 10v3",
  copy: "M5.5 5.5h8v8h-8Z M3 10.5h-.5v-8h8V3",
  save: "M8 2.5v7 M5 6.5l3 3 3-3 M2.5 10.5v3h11v-3",
  table: "M2.5 3h11v10h-11Z M2.5 6.5h11 M2.5 9.8h11 M6.5 6.5V13",
  done: "M3 8.5l3.2 3.2L13 4.8",
  remove: "M3 4.5h10 M6.5 4.5v-2h3v2 M4.5 4.5l.6 9h5.8l.6-9",
  maximise: "M2.5 3h11v10h-11Z M2.5 5.5h11",
  restore: "M2.5 5.5h8v8h-8Z M5 5.5v-3h8.5v8h-3",
  float: "M2.5 6.5h7v7h-7Z M6 3.5V2.5h7.5v8h-1.5",
  dockIn: "M2 3h12v10H2Z M9.5 3v10",
  log: "M3 3.5h10 M3 6.5h7 M3 9.5h10 M3 12.5h5",
  stop: "M4 4h8v8H4Z",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 1 0 0 9Z M10.5 10.5l3.5 3.5",
  edit: "M3 13l.7-3L10.5 3.2l2.3 2.3L6 12.3Z M9 4.7l2.3 2.3",
  folder: "M2 4h4l1.5 1.5H14v7.5H2Z",
  file: "M4 2h5.5L12.5 5v9H4Z M9 2v3.5h3.5",
  warning: "M8 2.5l6 10.5H2Z M8 6.5v3 M8 11.3v.01",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

type IconButtonProps = {
  readonly icon: IconName;
  readonly label: string;
  /** The key that does the same, shown with the label. */
  readonly hint?: string;
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly onClick: (event: MouseEvent) => void;
};

export function IconButton(props: IconButtonProps) {
  const { icon, label, hint, pressed, disabled, onClick } = props;
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      title={hint ? `${label} (${hint})` : label}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      disabled={disabled ?? false}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
