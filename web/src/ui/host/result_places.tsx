/** Where the results of a job lie on the disk, a line each. */
import { IconButton } from "../icons.tsx";
import type { Notices } from "../notices.ts";
import { copyText } from "./copy_text.ts";
import type { Job } from "./host_service.ts";

type ResultPlacesProps = { readonly job: Job; readonly notices: Notices };

export function ResultPlaces({ job, notices }: ResultPlacesProps) {
  const paths = [...new Set((job.places ?? []).map(({ path }) => path))];
  return paths.map((path) => <Place key={path} path={path} notices={notices} />);
}

function Place({ path, notices }: { readonly path: string; readonly notices: Notices }) {
  const [start, end] = splitPath(path);
  return (
    <p class="job-place" title={path}>
      <span class="job-place-path">
        <span class="job-place-start">{start}</span>
        <span class="job-place-end">{end}</span>
      </span>
      <IconButton
        icon="copy"
        label="Copy path"
        onClick={() => void copyText(path, "path", notices)}
      />
    </p>
  );
}

/** What may be cut where there is no room, and the name at the end, which stays. */
export function splitPath(path: string): readonly [start: string, end: string] {
  const [end = ""] = path.match(/[\\/]?[^\\/]*[\\/]*$/) ?? [];
  return [path.slice(0, path.length - end.length), end];
}
