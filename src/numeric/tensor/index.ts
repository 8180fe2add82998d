export * from "./tensor.ts";
