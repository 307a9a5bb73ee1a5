/** As much of TensorFlow.js as the protocol asks of it. */
class Tensor {
  constructor(data, shape, dtype) {
    Object.assign(this, { data, shape, dtype });
  }
  dataSync() {
    return this.data;
  }
}
globalThis.tf = { Tensor, tensor: (data, shape, dtype) => new Tensor(data, shape, dtype) };
