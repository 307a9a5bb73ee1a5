globalThis.library = { twice: (n) => 2 * n };
