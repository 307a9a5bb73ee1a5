globalThis.first = "of a module";
