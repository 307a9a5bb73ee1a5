/** The GLSL. Every shader works on device pixels; level coordinates come in brick-local and small. */

import type { Sampling } from "../slices/brick_parts.ts";
import { LABEL_CHOICE } from "./label_choice.ts";

/** How the values of a brick reach a shader: which sampler its format needs. */
export type SamplerKind = "unsigned" | "signed" | "float";
/** How values become colours. */
export type ColourKind = "scalar" | "rgb" | "labels";

/** A rectangle without any buffer: four corners from the vertex number. */
export const RECTANGLE = `#version 300 es
uniform vec4 u_rect;
uniform float u_depth;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(mix(u_rect.xy, u_rect.zw, corner), u_depth, 1.0);
}`;

export const FLAT = `#version 300 es
precision highp float;
uniform vec4 u_colour;
out vec4 colour;
void main() { colour = u_colour; }`;

/** Stripes in device pixels, which no image has: this place cannot be had. */
export const HATCH = `#version 300 es
precision highp float;
out vec4 colour;
void main() {
  float stripe = mod(gl_FragCoord.x + gl_FragCoord.y, 14.0);
  float line = step(stripe, 2.0);
  vec4 ground = vec4(vec3(0.10, 0.09, 0.10) * 0.55, 0.55);
  vec4 mark = vec4(vec3(0.62, 0.34, 0.36) * 0.75, 0.75);
  colour = mix(ground, mark, line);
}`;

export const SAMPLERS: Readonly<Record<SamplerKind, string>> = {
  unsigned: `
#define SAMPLER usampler2D
#define TEXEL uvec4
uniform highp uint u_origin;
float relative(uint v) { return v >= u_origin ? float(v - u_origin) : -float(u_origin - v); }
bool absent(uvec4 t) { return false; }
float plain(uint v) { return float(v); }
uvec2 id(uvec4 t) { return t.xy; }
uvec4 bits(uvec4 t) { return t; }
`,
  signed: `
#define SAMPLER isampler2D
#define TEXEL ivec4
uniform highp int u_origin;
float relative(int v) {
  return v >= u_origin ? float(uint(v) - uint(u_origin)) : -float(uint(u_origin) - uint(v));
}
bool absent(ivec4 t) { return false; }
float plain(int v) { return float(v); }
uvec2 id(ivec4 t) { return uvec2(uint(t.x), t.x < 0 ? 0xffffffffu : 0u); }
uvec4 bits(ivec4 t) { return uvec4(t); }
`,
  // Compilers may take isnan() for false; bits they cannot. Infinities become numbers, so that a
  // neighbour with no weight does not turn a pixel into NaN.
  float: `
#define SAMPLER sampler2D
#define TEXEL vec4
float relative(float v) { return clamp(v, -3.0e38, 3.0e38); }
bool nan(float v) { return (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u; }
bool absent(vec4 t) { return nan(t.x) || nan(t.y) || nan(t.z); }
float plain(float v) { return v; }
uvec2 id(vec4 t) { return uvec2(uint(max(t.x, 0.0)), 0u); }
uvec4 bits(vec4 t) { return floatBitsToUint(t); }
`,
};

export const HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp isampler2D;
precision highp usampler2D;
`;

/** Where in the brick this fragment lies: pixel centres at integers, [x, y]. */
const PLACE = `
uniform vec2 u_first;
uniform vec2 u_start;
uniform vec2 u_step;
uniform float u_height;
uniform ivec2 u_size;
uniform SAMPLER u_main;
vec2 place() {
  vec2 pixel = vec2(gl_FragCoord.x, u_height - gl_FragCoord.y) - 0.5;
  return u_start + (pixel - u_first) * u_step;
}
ivec2 nearest(vec2 q) { return clamp(ivec2(floor(q + 0.5)), ivec2(0), u_size - 1); }
`;

/** A colour as the blending wants it. */
export const PUT = `
uniform float u_opacity;
uniform int u_blending;
out vec4 colour;
// Premultiplied; see the blend functions in painter.ts. Alpha 0 still claims the pixel.
void put(vec3 c, float alpha) {
  float a = alpha * u_opacity;
  if (u_blending == 0) colour = vec4(c * a, a);
  else if (u_blending == 1) colour = vec4(c * a, 0.0);
  else if (u_blending == 2) colour = a > 0.0 ? vec4(c, 1.0) : vec4(0.0);
  else colour = vec4(a > 0.0 ? c : vec3(1.0), 1.0);
}
`;

const VALUE = `
uniform bool u_alpha;
uniform float u_alpha_scale;
uniform float u_low;
uniform float u_span;
uniform float u_gamma;
uniform highp sampler2D u_table;

bool missing = false;

vec4 value(TEXEL t) {
  missing = missing || absent(t);
  return vec4(relative(t.x), relative(t.y), relative(t.z), plain(t.w) * u_alpha_scale);
}
`;

/** What has no weight is not looked at: a NaN beside an exact hit does not spread. */
const BETWEEN = `
ivec2 step_of(vec2 f) { return ivec2(f.x > 0.0 ? 1 : 0, f.y > 0.0 ? 1 : 0); }
vec4 between(vec4 v00, vec4 v10, vec4 v01, vec4 v11, vec2 f) {
  return (v00 * (1.0 - f.x) + v10 * f.x) * (1.0 - f.y) + (v01 * (1.0 - f.x) + v11 * f.x) * f.y;
}
`;

/** How a value is taken from bricks; see `brick_parts.ts` for which part is drawn with which. */
const SAMPLINGS: Readonly<Record<Exclude<Sampling, "outline">, string>> = {
  nearest: `
vec4 sampled() { return value(texelFetch(u_main, nearest(place()), 0)); }
`,
  inner: `${BETWEEN}
vec4 sampled() {
  vec2 q = clamp(place(), vec2(0.0), vec2(u_size - 1));
  ivec2 at = ivec2(floor(q));
  vec2 f = q - vec2(at);
  ivec2 to = min(at + step_of(f), u_size - 1);
  return between(
    value(texelFetch(u_main, at, 0)),
    value(texelFetch(u_main, ivec2(to.x, at.y), 0)),
    value(texelFetch(u_main, ivec2(at.x, to.y), 0)),
    value(texelFetch(u_main, to, 0)),
    f
  );
}
`,
  border: `${BETWEEN}
uniform SAMPLER u_right;
uniform SAMPLER u_lower;
uniform SAMPLER u_diagonal;
uniform bvec3 u_held;

TEXEL texel(ivec2 at, ivec2 own) {
  bool right = at.x >= u_size.x;
  bool lower = at.y >= u_size.y;
  if (right && lower) {
    if (u_held.z) return texelFetch(u_diagonal, ivec2(0), 0);
    return texelFetch(u_main, own, 0);
  }
  if (right) return texelFetch(u_right, ivec2(0, at.y), 0);
  if (lower) return texelFetch(u_lower, ivec2(at.x, 0), 0);
  return texelFetch(u_main, at, 0);
}

vec4 sampled() {
  vec2 last = vec2(u_size - 1) + vec2(u_held.x ? 1.0 : 0.0, u_held.y ? 1.0 : 0.0);
  vec2 q = clamp(place(), vec2(0.0), last);
  ivec2 at = min(ivec2(floor(q)), u_size - 1);
  vec2 f = q - vec2(at);
  ivec2 to = at + step_of(f);
  return between(
    value(texel(at, at)),
    value(texel(ivec2(to.x, at.y), at)),
    value(texel(ivec2(at.x, to.y), at)),
    value(texel(to, at)),
    f
  );
}
`,
};

const TONE = `
float tone(float v) {
  float t = u_span == 0.0 ? (v > u_low ? 1.0 : 0.0) : clamp((v - u_low) / u_span, 0.0, 1.0);
  // Half of what drawing takes in software is the power, which most images do without.
  if (u_gamma != 1.0 && t > 0.0) t = pow(t, u_gamma);
  return t;
}
`;

/** The colour of a label: see label_colour.ts. */
export const HASH_COLOUR = `
uint finalise(uint x) {
  x ^= x >> 16u;
  x *= 0x85ebca6bu;
  x ^= x >> 13u;
  x *= 0xc2b2ae35u;
  x ^= x >> 16u;
  return x;
}
float component(float offset, vec3 hsv) {
  float k = mod(offset + hsv.x * 6.0, 6.0);
  return hsv.z - hsv.z * hsv.y * max(0.0, min(min(k, 4.0 - k), 1.0));
}
vec3 hash_colour(uvec2 label) {
  uint hash = finalise(label.x ^ finalise(label.y ^ 0x9e3779b9u));
  vec3 hsv = vec3(
    float(hash & 0xffffu) / 65536.0,
    0.55 + 0.45 * float((hash >> 16u) & 0xffu) / 255.0,
    0.75 + 0.25 * float((hash >> 24u) & 0xffu) / 255.0
  );
  return vec3(component(5.0, hsv), component(3.0, hsv), component(1.0, hsv));
}
`;

const COLOURS: Readonly<Record<ColourKind, string>> = {
  scalar: `${TONE}
void main() {
  vec4 v = sampled();
  int entry = int(floor(tone(v.x) * 255.0 + 0.5));
  put(texelFetch(u_table, ivec2(entry, 0), 0).rgb, missing ? 0.0 : 1.0);
}`,
  rgb: `${TONE}
void main() {
  vec4 v = sampled();
  float alpha = u_alpha ? clamp(v.w, 0.0, 1.0) : 1.0;
  put(vec3(tone(v.x), tone(v.y), tone(v.z)), missing ? 0.0 : alpha);
}`,
  labels: `${HASH_COLOUR}${LABEL_CHOICE}
uniform float u_contour;
bool outlines(uvec2 label, vec2 q) {
  if (u_contour <= 0.0) return true;
  vec2 aside = u_step * u_contour;
  return label_at(q - vec2(aside.x, 0.0)) != label || label_at(q + vec2(aside.x, 0.0)) != label
    || label_at(q - vec2(0.0, aside.y)) != label || label_at(q + vec2(0.0, aside.y)) != label;
}
void main() {
  vec2 q = place();
  uvec2 label = label_at(q);
  put(hash_colour(label), shown(label) && outlines(label, q) ? 1.0 : 0.0);
}`,
};

/** The label at a place: of this brick alone, or where an outline looks over its borders. */
const LABEL_AT = `
uvec2 label_at(vec2 q) { return id(texelFetch(u_main, nearest(q), 0)); }
`;
const LABEL_AROUND = `
uniform SAMPLER u_left;
uniform SAMPLER u_right;
uniform SAMPLER u_upper;
uniform SAMPLER u_lower;
uniform bvec4 u_around;

uvec2 label_at(vec2 q) {
  ivec2 at = ivec2(floor(q + 0.5));
  ivec2 own = clamp(at, ivec2(0), u_size - 1);
  // Never over two borders: an outline looks along rows and columns.
  if (at.x < 0 && u_around.x) {
    int columns = textureSize(u_left, 0).x;
    return id(texelFetch(u_left, ivec2(max(columns + at.x, 0), own.y), 0));
  }
  if (at.x >= u_size.x && u_around.y) {
    int last = textureSize(u_right, 0).x - 1;
    return id(texelFetch(u_right, ivec2(min(at.x - u_size.x, last), own.y), 0));
  }
  if (at.y < 0 && u_around.z) {
    int rows = textureSize(u_upper, 0).y;
    return id(texelFetch(u_upper, ivec2(own.x, max(rows + at.y, 0)), 0));
  }
  if (at.y >= u_size.y && u_around.w) {
    int last = textureSize(u_lower, 0).y - 1;
    return id(texelFetch(u_lower, ivec2(own.x, min(at.y - u_size.y, last)), 0));
  }
  return id(texelFetch(u_main, own, 0));
}
`;

/** Draws a brick, or a part of it. Labels are never interpolated. */
export function brickShader(sampler: SamplerKind, colour: ColourKind, sampling: Sampling): string {
  return HEAD + SAMPLERS[sampler] + PLACE + PUT + valuesOf(colour, sampling) + COLOURS[colour];
}

function valuesOf(colour: ColourKind, sampling: Sampling): string {
  if (colour === "labels") return sampling === "outline" ? LABEL_AROUND : LABEL_AT;
  return VALUE + SAMPLINGS[sampling === "outline" ? "nearest" : sampling];
}

/** Hands out one texel, whatever its format, as four words. */
export function texelShader(sampler: SamplerKind): string {
  return `${HEAD}${SAMPLERS[sampler]}
uniform SAMPLER u_main;
uniform ivec2 u_at;
out uvec4 words;
void main() { words = bits(texelFetch(u_main, u_at, 0)); }`;
}

/** The same for a voxel of a brick with its apron. */
export function voxelShader(sampler: SamplerKind): string {
  const volume = { unsigned: "usampler3D", signed: "isampler3D", float: "sampler3D" }[sampler];
  return `${HEAD}
precision highp sampler3D;
precision highp isampler3D;
precision highp usampler3D;
${SAMPLERS[sampler]}
uniform ${volume} u_main;
uniform ivec3 u_at;
out uvec4 words;
void main() { words = bits(texelFetch(u_main, u_at + 1, 0)); }`;
}
