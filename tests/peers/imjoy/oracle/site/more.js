globalThis.more = "more";
