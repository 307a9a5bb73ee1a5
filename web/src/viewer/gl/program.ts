/** A shader pair with its uniforms by name, compiled when it is first asked for. */

export class Program {
  readonly #gl: WebGL2RenderingContext;
  readonly #sources: readonly [vertex: string, fragment: string];
  readonly #locations = new Map<string, WebGLUniformLocation | null>();
  #begun: { readonly program: WebGLProgram; readonly shaders: readonly WebGLShader[] } | null =
    null;
  #program: WebGLProgram | null = null;

  constructor(gl: WebGL2RenderingContext, vertex: string, fragment: string) {
    this.#gl = gl;
    this.#sources = [vertex, fragment];
  }

  /** Begin to compile, and wait for nothing: who needs several begins them all before the first use. */
  begin(): void {
    if (this.#program || this.#begun) return;
    const gl = this.#gl;
    const program = gl.createProgram();
    const [vertex, fragment] = this.#sources;
    const shaders = [
      compile(gl, gl.VERTEX_SHADER, vertex),
      compile(gl, gl.FRAGMENT_SHADER, fragment),
    ];
    for (const shader of shaders) gl.attachShader(program, shader);
    gl.linkProgram(program);
    this.#begun = { program, shaders };
  }

  use(): void {
    // biome-ignore lint/correctness/useHookAtTopLevel: this is GL.
    this.#gl.useProgram(this.#program ?? this.#finished());
  }

  at(name: string): WebGLUniformLocation | null {
    let location = this.#locations.get(name);
    if (location === undefined) {
      location = this.#gl.getUniformLocation(this.#program ?? this.#finished(), name);
      this.#locations.set(name, location);
    }
    return location;
  }

  /** What was begun, once it is compiled. */
  #finished(): WebGLProgram {
    const gl = this.#gl;
    this.begin();
    const { program, shaders } = this.#begun ?? { program: gl.createProgram(), shaders: [] };
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = [
        ...shaders.map((one) => gl.getShaderInfoLog(one)),
        gl.getProgramInfoLog(program),
      ];
      throw new Error(`A shader does not compile: ${logs.filter(Boolean).join("\n")}`);
    }
    for (const shader of shaders) gl.deleteShader(shader);
    this.#begun = null;
    this.#program = program;
    return program;
  }
}

function compile(gl: WebGL2RenderingContext, type: number, source: string): WebGLShader {
  const shader = gl.createShader(type);
  // Only a lost context makes none; then nothing that follows matters until it is restored.
  if (!shader) throw new Error("The GL context is lost.");
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  return shader;
}
