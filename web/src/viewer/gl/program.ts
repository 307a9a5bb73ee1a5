/** A compiled shader pair with its uniforms by name. */

export class Program {
  readonly #gl: WebGL2RenderingContext;
  readonly #program: WebGLProgram;
  readonly #locations = new Map<string, WebGLUniformLocation | null>();

  constructor(gl: WebGL2RenderingContext, vertex: string, fragment: string) {
    this.#gl = gl;
    this.#program = gl.createProgram();
    const shaders = [
      compile(gl, gl.VERTEX_SHADER, vertex),
      compile(gl, gl.FRAGMENT_SHADER, fragment),
    ];
    for (const shader of shaders) gl.attachShader(this.#program, shader);
    gl.linkProgram(this.#program);
    for (const shader of shaders) gl.deleteShader(shader);
    if (!gl.getProgramParameter(this.#program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`A shader does not link: ${gl.getProgramInfoLog(this.#program) ?? ""}`);
    }
  }

  use(): void {
    // biome-ignore lint/correctness/useHookAtTopLevel: this is GL.
    this.#gl.useProgram(this.#program);
  }

  at(name: string): WebGLUniformLocation | null {
    let location = this.#locations.get(name);
    if (location === undefined) {
      location = this.#gl.getUniformLocation(this.#program, name);
      this.#locations.set(name, location);
    }
    return location;
  }
}

function compile(gl: WebGL2RenderingContext, type: number, source: string): WebGLShader {
  const shader = gl.createShader(type);
  // Only a lost context makes none; then nothing that follows matters until it is restored.
  if (!shader) throw new Error("The GL context is lost.");
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
    throw new Error(`A shader does not compile: ${gl.getShaderInfoLog(shader) ?? ""}`);
  }
  return shader;
}
