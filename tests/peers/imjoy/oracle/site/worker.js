imjoyRPC
  .setupRPC({ name: "Its worker", version: "0.1.0", description: "It adds.", type: "web-worker" })
  .then((api) => {
    api.export({ setup: () => api.log("its worker is set up"), add: (a, b) => a + b });
  });
