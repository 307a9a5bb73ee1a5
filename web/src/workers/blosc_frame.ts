/**
 * Bytes as a frame of Blosc, which viewers expect in a Zarr (itk-vtk-viewer knows nothing else). They are stored as they
 * are: they have come over the link already, and go no further than into a frame of this page.
 */

const HEADER = 16;
/** Of the format, and of its (unused) codec. */
const VERSIONS = [2, 1];
const STORED = 0x2;

export function blosc(content: Uint8Array, itemSize: number): ArrayBuffer {
  const frame = new ArrayBuffer(HEADER + content.length);
  const header = new DataView(frame);
  header.setUint8(0, VERSIONS[0] ?? 0);
  header.setUint8(1, VERSIONS[1] ?? 0);
  header.setUint8(2, STORED);
  header.setUint8(3, itemSize);
  header.setUint32(4, content.length, true);
  header.setUint32(8, content.length, true); // one block
  header.setUint32(12, frame.byteLength, true);
  new Uint8Array(frame).set(content, HEADER);
  return frame;
}
