// A worker that keeps every picture a canvas presents, and says in the end what was there when.
// When a frame came is kept of all; of as many as can be copied, the picture, as one byte per pixel (green), and how many pixels are of the clear colour.

const CELL = 16; // pixels along a side of what is compared for first content
const FOREGROUND = 8; // of 255, above the background
const CONTENT = { near: 10, share: 0.95 };
const TARGET = { near: 1 };
const SAME = 4; // of 255: the stream's colours go through another colour space, grabbed ones do not

const now = () => performance.timeOrigin + performance.now();
const stamps = []; // of all frames, by their own clock
const pictures = []; // { time, grey, clear, size: [width, height], changed, isGrabbed }
let next = null;
let copying = false;
let pixels = new Uint32Array(0);
let offset = Infinity; // from the clock of the frames to that of the page, by the one that came fastest

async function watch(readable) {
  const reader = readable.getReader();
  for (;;) {
    const { value: frame, done } = await reader.read();
    if (done) return;
    const stamp = frame.timestamp / 1000;
    stamps.push(stamp);
    offset = Math.min(offset, now() - stamp);
    next?.close();
    next = frame;
    if (!copying) copy();
  }
}

/**
 * One frame after the other is copied, always the newest one. A page is only lent few frames: who
 * holds more of a canvas that a worker draws gets no new ones.
 */
async function copy() {
  copying = true;
  while (next) {
    const frame = next;
    next = null;
    await keep(frame, frame.timestamp / 1000);
    frame.close();
  }
  copying = false;
}

async function keep(frame, stamp) {
  const { codedWidth: width, codedHeight: height } = frame;
  if (pixels.length !== width * height) pixels = new Uint32Array(width * height);
  await frame.copyTo(pixels, { format: "RGBA", layout: [{ offset: 0, stride: 4 * width }] });
  add(pixels, [width, height], stamp);
}

/**
 * Whether the stream brought what is on the canvas. Else that is kept as if it had come now: what
 * the stream still brings takes its place by its own, earlier time.
 */
async function compare(bitmap, time) {
  while (copying) await new Promise((resolve) => setTimeout(resolve, 5));
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  if (isSame(pictures.at(-1)?.grey, data, 4, 1)) return true;
  add(new Uint32Array(data.buffer), [width, height], time - offset);
  pictures.at(-1).isGrabbed = true;
  return false;
}

function add(pixels, size, stamp) {
  const count = pixels.length;
  const before = pictures.at(-1);
  const old = before?.grey.length === count ? before.grey : null;
  const grey = new Uint8Array(count);
  let clear = 0;
  let changed = !old;
  for (let i = 0; i < count; i++) {
    const pixel = pixels[i]; // little-endian: alpha, blue, green, red
    const green = (pixel >>> 8) & 255;
    grey[i] = green;
    if ((pixel & 255) - green > 120) clear++;
    if (old && old[i] !== green) changed = true;
  }
  pictures.push({ stamp, grey: changed ? grey : old, clear, size, changed, isGrabbed: false });
}

/** Whether bytes, some of which are left out, are those of a picture. */
function isSame(grey, bytes, step = 1, first = 0) {
  if (grey?.length !== bytes.length / step) return false;
  for (let i = 0; i < grey.length; i++) {
    if (Math.abs(grey[i] - bytes[step * i + first]) > SAME) return false;
  }
  return true;
}

/** Of what was grabbed, the pictures that the stream did not bring after all. */
function lacking() {
  return pictures.filter(
    ({ isGrabbed, grey }, i) => isGrabbed && !isSame(pictures[i - 1]?.grey, grey),
  );
}

function same(a, b) {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/** Means of the whole cells of a picture. */
function reduced({ grey, size: [width, height] }) {
  const [columns, rows] = [Math.floor(width / CELL), Math.floor(height / CELL)];
  const sums = new Float32Array(columns * rows);
  for (let y = 0; y < rows * CELL; y++) {
    const row = Math.floor(y / CELL) * columns;
    for (let x = 0; x < columns * CELL; x++) {
      sums[row + Math.floor(x / CELL)] += grey[y * width + x];
    }
  }
  return sums.map((sum) => sum / CELL ** 2);
}

function darkest(values) {
  let least = 255;
  for (const value of values) least = Math.min(least, value);
  return least;
}

/** The share of a picture that is. */
function foreground(grey) {
  const least = darkest(grey) + FOREGROUND;
  let count = 0;
  for (const value of grey) if (value > least) count++;
  return count / grey.length;
}

/** Whether so much of the foreground of either is so near to the final picture. */
function near(values, final, background, { near: most, share }) {
  let inside = 0;
  let good = 0;
  for (let i = 0; i < final.length; i++) {
    if (Math.max(values[i], final[i]) - background <= FOREGROUND) continue;
    inside++;
    if (Math.abs(values[i] - final[i]) <= most) good++;
  }
  return inside > 0 && good >= share * inside;
}

function isTarget({ grey, clear }, final) {
  return (
    clear === final.clear &&
    grey.every((value, i) => Math.abs(value - final.grey[i]) <= TARGET.near)
  );
}

/** The first moment after which `holds` was never false again. */
function since(shown, holds) {
  let first = null;
  for (let i = shown.length - 1; i >= 0 && holds(shown[i]); i--) first = shown[i].time;
  return first;
}

function phase([name, from, until]) {
  const shown = pictures.filter(({ time }) => from <= time && time <= until);
  const before = pictures.findLast(({ time }) => time < from);
  const final = shown.at(-1) ?? before;
  if (!final) return { name, from, until, frames: [], clear: [] };
  const small = reduced(final);
  const background = darkest(small);
  const content = shown.find(
    (picture) =>
      same([...picture.size], final.size) && near(reduced(picture), small, background, CONTENT),
  );
  return {
    name,
    from,
    until,
    frames: stamps.map((stamp) => stamp + offset).filter((t) => from <= t && t <= until),
    clear: shown.map(({ time, clear }) => [time, clear]),
    firstContent: content?.time ?? null,
    target: since(shown, (picture) => isTarget(picture, final)),
    firstChange: shown.find(({ changed }) => changed)?.time ?? null,
    foreground: foreground(final.grey),
    size: final.size,
    final: base64(final.grey),
    finalClear: final.clear,
  };
}

function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  return btoa(text);
}

function last() {
  const changed = pictures.findLast((picture) => picture.changed);
  if (!changed) return { time: null, count: 0, shows: false };
  changed.shows ??= foreground(changed.grey) > 0.05;
  return { time: changed.stamp + offset, count: pictures.length, shows: changed.shows };
}

async function answer({ bitmap, time, phases }) {
  if (bitmap) return await compare(bitmap, time);
  if (!phases) return last();
  pictures.sort((a, b) => a.stamp - b.stamp);
  stamps.sort((a, b) => a - b);
  const lost = lacking();
  const kept = pictures.filter((picture) => !picture.isGrabbed || lost.includes(picture));
  pictures.splice(0, pictures.length, ...kept);
  for (const picture of pictures) picture.time = picture.stamp + offset;
  const held = new Set(pictures.map(({ grey }) => grey));
  const pictureBytes = [...held].reduce((sum, grey) => sum + grey.length, 0);
  return { phases: phases.map(phase), pictureBytes, lost: lost.length };
}

onmessage = async ({ data }) => {
  if (data.watch) watch(data.watch);
  else postMessage({ id: data.id, answer: await answer(data) });
};
