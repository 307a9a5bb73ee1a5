globalThis.second = "of another";
