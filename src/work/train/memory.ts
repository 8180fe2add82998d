/**
 * Weights, moments and gradient slots of a phase in shared memory, segment by segment, as views and as byte offsets for
 * kernels.
 */
import { compileKernels, createKernels, type Kernels } from "../../numeric/kernels/index.ts";
import { Arena, tensor, type ArenaHandle, type HostTensor } from "../../numeric/tensor/index.ts";
import { invariant } from "../../base/index.ts";
import type { Segment } from "./layout.ts";

export interface MemoryHandle {
  readonly arena: ArenaHandle;
  readonly slots: number;
}

export interface SegmentViews {
  readonly w: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
  readonly slots: readonly Float32Array[];
  readonly kernels: Kernels;
}

export class TrainingMemory {
  readonly segments: readonly Segment[];
  readonly views: readonly SegmentViews[];
  readonly handle: MemoryHandle;

  private constructor(segments: readonly Segment[], arena: Arena, slots: number) {
    const module = compileKernels();
    const kernels = arena.memories.map((memory) => createKernels(memory, module));
    const data = (name: string): Float32Array => {
      const found = arena.get(name).data;
      invariant(found instanceof Float32Array, `${name} is float32`);
      return found;
    };
    this.segments = segments;
    this.handle = { arena: arena.handle(), slots };
    this.views = segments.map(({ index }) => {
      const bound = kernels[arena.place(`w${index}`).memory];
      invariant(bound !== undefined, "every memory has kernels");
      return {
        w: data(`w${index}`),
        m: data(`m${index}`),
        v: data(`v${index}`),
        slots: Array.from({ length: slots }, (_, slot) => data(`g${index}.${slot}`)),
        kernels: bound,
      };
    });
  }

  /** All zeros. `slots`: gradients that exist at once, over all workers. */
  static create(segments: readonly Segment[], slots: number): TrainingMemory {
    const names = (index: number) => [
      `w${index}`,
      `m${index}`,
      `v${index}`,
      ...Array.from({ length: slots }, (_, slot) => `g${index}.${slot}`),
    ];
    const groups = segments.map(({ index, length }) =>
      names(index).map((name) => ({ name, dtype: "float32" as const, shape: [length] })),
    );
    return new TrainingMemory(segments, Arena.for(groups), slots);
  }

  static attach(segments: readonly Segment[], handle: MemoryHandle): TrainingMemory {
    return new TrainingMemory(segments, Arena.attach(handle.arena), handle.slots);
  }

  /** The parameters as tensors over shared memory. */
  weights(): Record<string, HostTensor<"float32">> {
    return this.#perParameter(
      (views) => views.w,
      (name) => name,
    );
  }

  /** The gradients of slot `slot` as tensors over shared memory, named as a gradient program's outputs. */
  gradients(slot: number): Record<string, HostTensor<"float32">> {
    return this.#perParameter(
      (views) => {
        const found = views.slots[slot];
        invariant(found !== undefined, `no gradient slot ${slot}`);
        return found;
      },
      (name) => `grad.${name}`,
    );
  }

  /** State of the training as it is saved and hashed: buffers over shared memory, in a fixed order. */
  state(): Map<string, Float32Array> {
    return new Map(
      this.views.flatMap(
        ({ w, m, v }, index) =>
          [
            [`w${index}`, w],
            [`m${index}`, m],
            [`v${index}`, v],
          ] as const,
      ),
    );
  }

  #perParameter(
    pick: (views: SegmentViews) => Float32Array,
    name: (parameter: string) => string,
  ): Record<string, HostTensor<"float32">> {
    const entries = this.segments.flatMap(({ index, parameters }) => {
      const views = this.views[index];
      invariant(views !== undefined, `no segment ${index}`);
      return parameters.map(
        (placed) =>
          [
            name(placed.name),
            tensor("float32", placed.shape, pick(views).subarray(placed.offset, placed.offset + placed.length)),
          ] as const,
      );
    });
    return Object.fromEntries(entries);
  }
}
