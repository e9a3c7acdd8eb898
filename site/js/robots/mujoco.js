// The page's MuJoCo, as robots.wasm asks for it (crates/fpo-mujoco/src/browser/object.rs): objects
// that are numbers there, their fields, and MuJoCo's functions. Nothing is decided here.

export class Mujoco {
  #exports;
  #objects = new Map();
  #next = 1;
  #files = new Map();
  #error = new Uint8Array();
  #version;

  constructor(mujoco) {
    this.mujoco = mujoco;
    this.#version = new TextEncoder().encode(mujoco.mj_versionString());
  }

  // The exports of the module that calls; its imports are needed before.
  connect(exports) {
    this.#exports = exports;
  }

  // The newest simulation: its model and its data.
  get simulation() {
    return [...this.#objects.values()].findLast(({ model }) => model);
  }

  get imports() {
    return {
      file: (name, nameLength, content, length) =>
        this.#files.set(this.#text(name, nameLength), this.#bytes(content, length).slice()),
      compile: (name, length) =>
        this.#make(() => this.#withFiles((files) => this.#load(this.#text(name, length), files))),
      copy_model: (model) => this.#make(() => new this.mujoco.MjModel(this.#of(model))),
      make_data: (model) =>
        this.#make(() => new this.mujoco.MjData(this.#of(model)), this.#of(model)),
      release: (object) => {
        this.#of(object).delete();
        this.#objects.delete(object);
      },
      find: (model, kind, kindLength, name, length) => {
        const { value } = this.mujoco.mjtObj[this.#text(kind, kindLength)];
        return this.mujoco.mj_name2id(this.#of(model), value, this.#text(name, length));
      },
      constant: (name, length) => {
        const [type, key] = this.#text(name, length).split('.');
        return this.mujoco[type]?.[key]?.value ?? NaN;
      },
      entries: (object, field, length) => this.#field(object, field, length).get().length ?? 1,
      read: (object, field, length, out) => {
        const value = this.#field(object, field, length).get();
        const numbers = value.length === undefined ? [Number(value)] : value;
        this.#numbers(out, numbers.length).set(numbers);
      },
      write: (object, field, length, first, from, count) => {
        const numbers = this.#numbers(from, count);
        const found = this.#field(object, field, length);
        const value = found.get();
        if (value.length === undefined) found.set(numbers[0]);
        else value.set(numbers, first);
      },
      call: (name, length, model, data) => {
        try {
          this.mujoco[this.#text(name, length)](this.#of(model), this.#of(data));
          return 0;
        } catch (error) {
          this.#fail(error);
          return 1;
        }
      },
      error_length: () => this.#error.length,
      error: (out) => this.#bytes(out, this.#error.length).set(this.#error),
      version_length: () => this.#version.length,
      version: (out) => this.#bytes(out, this.#version.length).set(this.#version),
    };
  }

  #bytes(at, length) {
    return new Uint8Array(this.#exports.memory.buffer, at, length);
  }

  #numbers(at, length) {
    return new Float64Array(this.#exports.memory.buffer, at, length);
  }

  #text(at, length) {
    return new TextDecoder().decode(this.#bytes(at, length));
  }

  #of(object) {
    return this.#objects.get(object).object;
  }

  // A field by its name, or by that of its part, as in `opt.timestep`.
  #field(object, field, length) {
    const path = this.#text(field, length).split('.');
    const entry = this.#objects.get(object);
    const name = path.pop();
    // A part is asked for once: each time it is another object, which MuJoCo's build never frees.
    const owner = path.length > 0 ? (entry[path[0]] ??= entry.object[path[0]]) : entry.object;
    return { get: () => owner[name], set: (value) => (owner[name] = value) };
  }

  #make(make, model) {
    try {
      const number = this.#next++;
      this.#objects.set(number, { object: make(), model });
      return number;
    } catch (error) {
      this.#fail(error);
      return 0;
    }
  }

  #withFiles(use) {
    const files = new this.mujoco.MjVFS();
    try {
      for (const [name, content] of this.#files) files.addBuffer(name, content);
      return use(files);
    } finally {
      files.delete();
      this.#files.clear();
    }
  }

  #load(name, files) {
    return this.mujoco.MjModel.from_xml_path(name, files);
  }

  #fail(error) {
    const text = String(error?.message ?? error).replace(/^MuJoCo Error: /, '');
    this.#error = new TextEncoder().encode(text);
  }
}
