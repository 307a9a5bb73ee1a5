/** The numbers of msgpack's extension types in the RPC (protocol/RPC.md, "Values"). */
export const ARRAY = 1;
export const BUFFERED_ARRAY = 2;
export const SHARED_ARRAY = 3;
export const BUFFERED_BYTES = 4;
export const OBJECT = 5;
export const YOURS = 6;
export const ERROR = 7;
export const MAP = 8;
export const REGISTERED = 9;
export const LAZY_ARRAY = 10;
export const BIG_INTEGER = 11;
export const COMPLEX = 12;
export const PACKED = 13;

/** The kinds of objects that travel by reference. */
export const FUNCTION = 0;
export const THING = 1;
export const ITERABLE = 2;
