/** `imjoy-loader.js` for pages of others: what an opaque origin lacks, and ImJoy's library. */
import { installLoader } from "./loader.ts";
import { shim } from "./shims.ts";

shim();
installLoader();
