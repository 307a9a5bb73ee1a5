/** The GLSL of volumes. Positions are in voxels of the brick that is drawn: [x, y, z], centres at integers. */

import type { Mode } from "../types.ts";
import { SIDE } from "../volumes/octree.ts";
import { LABEL_CHOICE } from "./label_choice.ts";
import { type ColourKind, HASH_COLOUR, HEAD, PUT, SAMPLERS, type SamplerKind } from "./shaders.ts";

export type MarchKind = Mode | "labels";

/** What an accumulated value may be at most: 16-bit floats hold it too. */
export const LARGEST = 60000;

/** A ray, and where it is in the region that is drawn and in all that is seen of the layer. */
const RAY = `
uniform vec2 u_canvas;
uniform float u_factor;
uniform vec3 u_origin_0;
uniform vec3 u_origin_x;
uniform vec3 u_origin_y;
uniform vec3 u_direction_0;
uniform vec3 u_direction_x;
uniform vec3 u_direction_y;
// Device pixels from the eye to the centre, 0 without perspective.
uniform float u_focal;
uniform vec3 u_low;
uniform vec3 u_high;
uniform vec3 u_box_low;
uniform vec3 u_box_high;
const float NEAR = 1.0 / 16.0;
const int MOST_STEPS = ${4 * SIDE};

vec3 origin;
vec3 direction;
vec2 part;
vec2 whole;

vec2 within(vec3 low, vec3 high) {
  vec3 speed = direction + vec3(equal(direction, vec3(0.0))) * 1e-20;
  vec3 a = (low - origin) / speed;
  vec3 b = (high - origin) / speed;
  vec3 first = min(a, b);
  vec3 last = max(a, b);
  return vec2(max(max(first.x, first.y), first.z), min(min(last.x, last.y), last.z));
}

bool cast_ray() {
  vec2 at = PIXEL;
  at = vec2(at.x - u_canvas.x * 0.5, u_canvas.y * 0.5 - at.y);
  origin = u_origin_0 + at.x * u_origin_x + at.y * u_origin_y;
  direction = u_direction_0 + at.x * u_direction_x + at.y * u_direction_y;
  float begin = -3e38;
  if (u_focal > 0.0) {
    float far = length(vec3(at, u_focal));
    direction /= far;
    begin = NEAR * far;
  }
  part = within(u_low, u_high);
  whole = within(u_box_low, u_box_high);
  part.x = max(part.x, begin);
  whole.x = max(whole.x, begin);
  return part.x < part.y;
}
`;

const VALUE = `
uniform float u_value_low;
uniform float u_span;
uniform float u_gamma;
uniform float u_density;
uniform float u_threshold;
uniform vec3 u_scale;
// Which sample of colours, where they are drawn one by one.
uniform vec3 u_channel;
uniform highp sampler2D u_table;
`;

/** Each fragment looks through its own pixel, or all through one that is pointed at, from the lower left. */
const DRAWN = `
#define PIXEL gl_FragCoord.xy * u_factor
out vec4 colour;
`;
const POINTED = `
uniform vec2 u_pointed;
#define PIXEL u_pointed
out uvec4 found;
`;

/** One voxel where it is known to be in the texture, apron included. */
const VOXELS = `
uniform VOLUME u_volume;
uniform ivec3 u_size;
bool missing;

VALUE_TYPE voxel(ivec3 at) {
  TEXEL t = texelFetch(u_volume, at + 1, 0);
  missing = missing || absent(t);
  return RELATIVE(t);
}

// What has no weight is not looked at: a NaN beside an exact hit does not spread.
VALUE_TYPE row(ivec3 at, float f) {
  VALUE_TYPE v = voxel(at);
  if (f > 0.0) v += (voxel(at + ivec3(1, 0, 0)) - v) * f;
  return v;
}

VALUE_TYPE linear(vec3 p) {
  vec3 q = clamp(p, vec3(-1.0), vec3(u_size));
  vec3 base = floor(q);
  vec3 f = q - base;
  ivec3 at = ivec3(base);
  missing = false;
  VALUE_TYPE sum = VALUE_TYPE(0.0);
  for (int i = 0; i < 4; i++) {
    ivec3 ahead = ivec3(0, i & 1, i >> 1);
    float weight = (ahead.y == 1 ? f.y : 1.0 - f.y) * (ahead.z == 1 ? f.z : 1.0 - f.z);
    if (weight > 0.0) sum += row(at + ahead, f.x) * weight;
  }
  return (sum - u_value_low) / u_span;
}

float brightest(vec3 p) { return LARGEST_OF(linear(p)); }

ivec3 voxel_at(vec3 p) { return clamp(ivec3(floor(p + 0.5)), ivec3(0), u_size - 1); }
VALUE_TYPE nearest(vec3 p) {
  missing = false;
  VALUE_TYPE v = voxel(voxel_at(p));
  return (v - u_value_low) / u_span;
}
`;

/** How bright a surface is that faces along a slope, in steps of a voxel: 0.3 from the side … 1. */
const SHADE = `
float lit(vec3 slope) {
  vec3 rise = slope / u_scale;
  float steep = dot(rise, rise);
  if (!(steep > 0.0)) return 0.65;
  vec3 sight = normalize(direction * u_scale);
  return 0.3 + 0.7 * min(abs(dot(rise, sight)) / sqrt(steep), 1.0);
}
`;

const SURFACE = `${SHADE}
// Squares of slopes have to be numbers, too.
float steady(float t) { return clamp(t, -1e15, 1e15); }
// As far as the apron goes; at the end of the level, without end, since it goes on there as it is.
uniform vec3 u_first;
uniform vec3 u_last;
// Where one side needs a NaN, the other one and the middle tell how values rise.
float shade(vec3 p) {
  float middle = steady(brightest(p));
  bool known = !missing;
  vec3 slope = vec3(0.0);
  for (int i = 0; i < 3; i++) {
    vec3 axis = vec3(i == 0, i == 1, i == 2);
    vec3 before = clamp(p - axis, u_first, u_last);
    vec3 after = clamp(p + axis, u_first, u_last);
    float low = steady(brightest(before));
    bool has_low = !missing;
    float high = steady(brightest(after));
    bool has_high = !missing;
    if (!has_low) { low = middle; before = p; }
    if (!has_high) { high = middle; after = p; }
    if (known || (has_low && has_high)) {
      slope += axis * (high - low) / max(dot(after - before, axis), 1e-6);
    }
  }
  return lit(slope);
}
`;

const LABELS = `${SHADE}
uvec2 label(vec3 p) {
  ivec3 at = clamp(ivec3(floor(p + 0.5)), ivec3(-1), u_size);
  return id(texelFetch(u_volume, at + 1, 0));
}
float shade(vec3 p, uvec2 own) {
  vec3 slope = vec3(0.0);
  for (int axis = 0; axis < 3; axis++) {
    vec3 one = vec3(axis == 0, axis == 1, axis == 2);
    slope += one * (float(label(p + one) == own) - float(label(p - one) == own));
  }
  return lit(slope);
}
`;

/** "channel": one sample of colours at a time, where each has rays of its own. */
export type MarchColour = ColourKind | "channel";

type Parts = {
  readonly start: string;
  /** With the place p, the value v, and the step's length in `length`. */
  readonly step: string;
  readonly end: string;
};

const TRANSLUCENT_STEP = (bright: string, paint: string) => `
  float bright = ${bright};
  if (bright > 0.0) {
    float passing = exp(-bright * u_density * along);
    sum += left * (1.0 - passing) * ${paint};
    left *= passing;
    if (left < 0.001) break;
  }`;

function partsOf(mode: MarchKind, colour: MarchColour): Parts {
  const wide = colour === "rgb";
  const spread = wide ? "best" : "vec3(best)";
  switch (mode) {
    case "mip":
      return {
        start: "VALUE_TYPE best = VALUE_TYPE(-LARGEST); bool seen = false;",
        step: `if (missing) continue; best = max(best, v); seen = true;
          ${wide ? "" : "if (best >= 1.0) break;"}`,
        end: `if (!seen) discard; colour = vec4(clamp(${spread}, -LARGEST, LARGEST), 1.0);`,
      };
    case "minip":
      return {
        start: "VALUE_TYPE best = VALUE_TYPE(LARGEST); bool seen = false;",
        step: `if (missing) continue; best = min(best, v); seen = true;
          ${wide ? "" : "if (best <= 0.0) break;"}`,
        end: `if (!seen) discard; colour = vec4(-clamp(${spread}, -LARGEST, LARGEST), 1.0);`,
      };
    case "average":
      return {
        start: "VALUE_TYPE best = VALUE_TYPE(0.0); float weight = 0.0;",
        step: "if (missing) continue; best += v * along; weight += along;",
        end: `if (weight <= 0.0) discard; colour = vec4(${spread}, weight);`,
      };
    case "translucent":
      return {
        start: "vec3 sum = vec3(0.0); float left = 1.0;",
        step: `if (missing) continue;${TRANSLUCENT_STEP(
          "tone(LARGEST_OF(v))",
          wide
            ? "vec3(tone(v.x), tone(v.y), tone(v.z))"
            : "texelFetch(u_table, ivec2(int(bright * 255.0 + 0.5), 0), 0).rgb",
        )}`,
        end: "if (left >= 1.0) discard; colour = vec4(sum, 1.0 - left);",
      };
    case "iso":
      return {
        start: "float before = -LARGEST; float before_at = 0.0; bool known = false;",
        step: `if (missing) { known = false; continue; }
          float now = LARGEST_OF(v);
          if (now >= u_threshold) {
            if (known && before < u_threshold) {
              p -= direction * ((now - u_threshold) / (now - before) * (t - before_at));
            }
            colour = vec4(shade(p) * ${
              wide ? "vec3(1.0)" : "texelFetch(u_table, ivec2(255, 0), 0).rgb"
            }, 1.0);
            return;
          }
          before = now; before_at = t; known = true;`,
        end: "discard;",
      };
    case "labels":
      return {
        start: "",
        step: `uvec2 found = label(p);
          if (shown(found)) {
            colour = vec4(shade(p, found) * hash_colour(found), 1.0);
            return;
          }`,
        end: "discard;",
      };
  }
}

function definitions(colour: MarchColour): string {
  const wide = colour === "rgb";
  const all = "vec3(relative((t).x), relative((t).y), relative((t).z))";
  const one = colour === "channel" ? `dot(${all}, u_channel)` : "relative((t).x)";
  return `
#define VALUE_TYPE ${wide ? "vec3" : "float"}
#define RELATIVE(t) ${wide ? all : one}
#define LARGEST_OF(v) ${wide ? "max(max((v).x, (v).y), (v).z)" : "(v)"}
#define LARGEST ${LARGEST.toFixed(1)}
`;
}

const TONES = `
float tone(float t) {
  float c = clamp(t, 0.0, 1.0);
  return c <= 0.0 ? 0.0 : pow(c, u_gamma);
}
`;

/**
 * The same for a ray that is pointed along: which voxel of the brick it is about. `found` gets what decides
 * between bricks (the value, or how much it adds), something to hand on from brick to brick, the voxel with a bit
 * that says whether there is one, and the place in it.
 */
function pointedPartsOf(mode: MarchKind): Parts {
  const take = "{ best = now; best_at = p; seen = true; }";
  const steps: Readonly<Record<MarchKind, string>> = {
    mip: `float now = LARGEST_OF(nearest(p));
      if (!missing && (!seen || now > best)) ${take}`,
    minip: `float now = LARGEST_OF(nearest(p));
      if (!missing && (!seen || now < best)) ${take}`,
    average: `if (missing) continue;
      if (!seen) best_at = p;
      best += LARGEST_OF(v) * along; more += along; seen = true;`,
    translucent: `if (missing) continue;
      float bright = tone(LARGEST_OF(v));
      float passing = exp(-bright * u_density * along);
      float now = more * (1.0 - passing);
      if (now > best) ${take}
      more *= passing;
      if (more < 0.001) break;`,
    iso: `if (missing) { known = false; continue; }
      float now = LARGEST_OF(v);
      if (now >= u_threshold) {
        if (known && before < u_threshold) {
          p -= direction * ((now - u_threshold) / (now - before) * (t - before_at));
        }
        ${take}
        break;
      }
      before = now; before_at = t; known = true;`,
    labels: `if (!shown(label(p))) continue;
      float now = 0.0;
      ${take}
      break;`,
  };
  return {
    start: `float best = 0.0; vec3 best_at = vec3(0.0); bool seen = false;
      float more = ${mode === "translucent" ? "1.0" : "0.0"};
      float before = -LARGEST; float before_at = 0.0; bool known = false;`,
    step: steps[mode],
    end: `
      ivec3 at = voxel_at(best_at);
      uvec3 voxel = uvec3(at);
      uvec3 inside = uvec3(clamp(best_at - vec3(at) + 0.5, 0.0, 1.0) * 1023.0 + 0.5);
      found = uvec4(
        floatBitsToUint(best),
        floatBitsToUint(more),
        (seen ? 0x80000000u : 0u) | voxel.x | voxel.y << 8u | voxel.z << 16u,
        inside.x | inside.y << 10u | inside.z << 20u
      );`,
  };
}

/** Goes along the rays through one brick; `pointed`: along the one that is pointed along. */
export function marchShader(
  sampler: SamplerKind,
  colour: MarchColour,
  mode: MarchKind,
  pointed = false,
): string {
  const { start, step, end } = pointed ? pointedPartsOf(mode) : partsOf(mode, colour);
  const volume = { unsigned: "usampler3D", signed: "isampler3D", float: "sampler3D" }[sampler];
  // A surface looks one step further back, so that it knows where the threshold was passed.
  const early = mode === "iso" ? 1 : 0;
  const reading = mode === "labels" ? HASH_COLOUR + LABEL_CHOICE + LABELS : SURFACE;
  const value = mode === "labels" ? "" : "VALUE_TYPE v = linear(p);";
  return `${HEAD}
precision highp sampler3D;
precision highp isampler3D;
precision highp usampler3D;
${SAMPLERS[sampler]}
#define VOLUME ${volume}
${pointed ? POINTED : DRAWN}${definitions(colour)}${RAY}${VALUE}${TONES}${VOXELS}${reading}
void main() {
  if (!cast_ray()) { discard; return; }
  vec3 speed = abs(direction);
  vec3 axis = speed.x >= speed.y && speed.x >= speed.z
    ? vec3(1, 0, 0) : speed.y >= speed.z ? vec3(0, 1, 0) : vec3(0, 0, 1);
  float o = dot(origin, axis);
  float d = dot(direction, axis);
  float half_step = 0.25 / abs(d);
  float way = sign(d);
  int first = int(floor(2.0 * way * (o + part.x * d) + 0.49)) - ${early};
  // On some hardware what was discarded runs on beside others, and would go on for ages.
  int last = min(int(floor(2.0 * way * (o + part.y * d) + 0.51)), first + MOST_STEPS);
  ${start}
  for (int k = first; k <= last; k++) {
    float q = float(k) * 0.5 * way;
    float t = (q - o) / d;
    float from = max(t - half_step, whole.x);
    float to = min(t + half_step, whole.y);
    float along = to - from;
    if (along <= half_step * 1e-3) continue;
    bool cut = t <= from || t >= to;
    if (cut) t = (from + to) * 0.5;
    vec3 p = origin + t * direction;
    if (!cut) p = mix(p, vec3(q), axis);
    bool outside = any(lessThan(p, u_low)) || any(greaterThanEqual(p, u_high));
    ${
      early
        ? `if (outside && t > part.x) continue;
    ${value}
    if (outside) { before = LARGEST_OF(v); before_at = t; known = !missing; continue; }`
        : `if (outside) continue;
    ${value}`
    }
    ${step}
  }
  ${end}
}`;
}

/** The same for a brick whose voxels are all equal, as those of its neighbours beside it are. */
export function uniformShader(colour: MarchColour, mode: MarchKind): string {
  const wide = colour === "rgb";
  const spread = wide ? "u_value" : "vec3(u_value.x)";
  const ends: Readonly<Record<MarchKind, string>> = {
    mip: `colour = vec4(clamp(${spread}, -LARGEST, LARGEST), 1.0);`,
    minip: `colour = vec4(-clamp(${spread}, -LARGEST, LARGEST), 1.0);`,
    average: `colour = vec4(${spread} * along, along);`,
    translucent: `
      float bright = tone(${wide ? "max(max(u_value.x, u_value.y), u_value.z)" : "u_value.x"});
      if (bright <= 0.0) discard;
      float opaque = 1.0 - exp(-bright * u_density * along);
      colour = vec4(opaque * ${
        wide
          ? "vec3(tone(u_value.x), tone(u_value.y), tone(u_value.z))"
          : "texelFetch(u_table, ivec2(int(bright * 255.0 + 0.5), 0), 0).rgb"
      }, opaque);`,
    iso: `
      if (${wide ? "max(max(u_value.x, u_value.y), u_value.z)" : "u_value.x"} < u_threshold) discard;
      colour = vec4(0.65 * ${wide ? "vec3(1.0)" : "texelFetch(u_table, ivec2(255, 0), 0).rgb"}, 1.0);`,
    labels: `
      if (!shown(u_label)) discard;
      colour = vec4(0.65 * hash_colour(u_label), 1.0);`,
  };
  return `${HEAD}${DRAWN}${definitions(colour)}${RAY}${VALUE}${TONES}${mode === "labels" ? HASH_COLOUR + LABEL_CHOICE : ""}
uniform vec3 u_value;
uniform uvec2 u_label;
void main() {
  if (!cast_ray()) discard;
  float along = part.y - part.x;
  ${ends[mode]}
}`;
}

/** From what was accumulated to colours on the canvas, scaled up where it has fewer pixels. */
export function composeShader(colour: ColourKind, mode: MarchKind): string {
  const isValue = mode === "mip" || mode === "minip" || mode === "average";
  const read: Readonly<Record<string, string>> = {
    mip: "vec4(t.rgb, 1.0)",
    minip: "vec4(-t.rgb, 1.0)",
    average: "vec4(t.rgb / t.a, 1.0)",
  };
  return `${HEAD}
uniform float u_gamma;
${TONES}${PUT}
uniform highp sampler2D u_sum;
uniform ivec2 u_texels;
uniform float u_factor;
uniform highp sampler2D u_table;
vec4 sum_at(ivec2 at) {
  vec4 t = texelFetch(u_sum, clamp(at, ivec2(0), u_texels - 1), 0);
  ${isValue ? `return t.a > 0.0 ? ${read[mode]} : vec4(0.0);` : "return t;"}
}
void main() {
  vec2 at = gl_FragCoord.xy / u_factor - 0.5;
  ivec2 low = ivec2(floor(at));
  vec2 f = at - vec2(low);
  vec4 t;
  if (u_factor == 1.0) t = sum_at(low);
  else {
    t = mix(
      mix(sum_at(low), sum_at(low + ivec2(1, 0)), f.x),
      mix(sum_at(low + ivec2(0, 1)), sum_at(low + ivec2(1, 1)), f.x),
      f.y
    );
  }
  // Where samples were drawn one by one, the opacity is only that of one of them.
  if (${!isValue && colour === "rgb"}) t.a = max(t.a, max(max(t.r, t.g), t.b));
  if (t.a <= 0.0) { put(vec3(0.0), 0.0); return; }
  vec3 c = t.rgb / t.a;
  ${
    isValue
      ? colour === "rgb"
        ? "c = vec3(tone(c.x), tone(c.y), tone(c.z));"
        : "c = texelFetch(u_table, ivec2(int(floor(tone(c.x) * 255.0 + 0.5)), 0), 0).rgb;"
      : "c = clamp(c, 0.0, 1.0);"
  }
  put(c, min(t.a, 1.0));
}`;
}
