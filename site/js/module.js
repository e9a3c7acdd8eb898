// One of the project's WebAssembly modules (bindings/wasm): functions of numbers, and two buffers.

export class Module {
  static async load(url) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url} is not there (${response.status})`);
    // Not streamed: that needs a server that knows the type of .wasm files.
    const { instance } = await WebAssembly.instantiate(await response.arrayBuffer(), {});
    return new Module(instance.exports);
  }

  constructor(exports) {
    this.exports = exports;
  }

  // Writes the input of the next call.
  send(numbers) {
    const at = this.exports.input(numbers.length);
    new Float32Array(this.exports.memory.buffer, at, numbers.length).set(numbers);
  }

  // Writes bytes for the next call.
  sendBytes(bytes) {
    const at = this.exports.bytes(bytes.length);
    new Uint8Array(this.exports.memory.buffer, at, bytes.length).set(bytes);
  }

  // Calls a function; an error of the module is thrown.
  call(name, ...args) {
    let value;
    try {
      value = this.exports[name](...args);
    } catch (trap) {
      throw new Error(this.#message() || trap.message);
    }
    const message = this.#message();
    if (message) throw new Error(message);
    return value;
  }

  // What the latest call wrote; it is valid until the next one.
  output() {
    const { memory, output, output_length } = this.exports;
    return new Float32Array(memory.buffer, output(), output_length());
  }

  // The text of the latest call that leaves one.
  text() {
    return this.#decode(this.exports.text(), this.exports.text_length());
  }

  #message() {
    return this.#decode(this.exports.message(), this.exports.message_length());
  }

  #decode(at, length) {
    return new TextDecoder().decode(new Uint8Array(this.exports.memory.buffer, at, length));
  }
}
