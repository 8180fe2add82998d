// The entry of kernels.wasm: AssemblyScript, compiled by scripts/build-kernels.mjs. Not TypeScript; tsconfig.json
// leaves it out.
//
// Every function works on byte offsets into the one imported shared memory, has no state, takes no scratch memory and
// allocates nothing, so that any number of threads may call at the same time on regions that don't overlap. Only
// operations whose results the WebAssembly standard fixes: no relaxed SIMD, no fused multiply-add. Offsets are checked
// by the caller (kernels.ts).
export { add, addTo, addScaled, scale, divide, zero, copy } from "./elementwise";
export { adamw } from "./adamw";
export { sumSquares } from "./reduce";
export { dropoutMask } from "./dropout";
export { firstOutside, gatherRows, scatterAddRows } from "./rows";
