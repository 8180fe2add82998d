/** Small trainings with a teacher: what it says of each text, or its weights. */
import { PURPOSE, seedFrom, uniform } from "../../src/base/index.ts";
import { runTraining, type Dataset, type TrainingInput } from "../../src/work/train/index.ts";

/** `input` with what a teacher of so many numbers says of each example in its last phase: `of` and some noise. */
export function saying(
  input: TrainingInput,
  width: number,
  of: (example: number, at: number) => number,
): TrainingInput {
  const place = input.recipe.phases.length - 1;
  const { offsets, ...dataset } = input.datasets[place]!;
  const values = new Float32Array(new SharedArrayBuffer(4 * width * (offsets.length - 1)));
  values.forEach((_, i) => {
    const noise = uniform(seedFrom("taught"), PURPOSE.test, 0, 0, i) - 0.5;
    values[i] = of(Math.floor(i / width), i % width) + noise;
  });
  const datasets: readonly Dataset[] = input.datasets.with(place, { ...dataset, offsets, values });
  const config = { ...input.config, hidden_size: width };
  return { ...input, datasets, teachers: { [place]: { config, weights: {} } } };
}

/** `input` with a teacher in its last phase that was trained as `teacher` says, of the same kind. */
export async function taughtBy(input: TrainingInput, teacher: TrainingInput): Promise<TrainingInput> {
  const { weights } = await runTraining(teacher, { threads: 2 });
  const shared = [...weights].map(([name, { data, ...own }]) => {
    const copy = new Float32Array(new SharedArrayBuffer(data.byteLength));
    copy.set(data);
    return [name, { ...own, data: copy }] as const;
  });
  const place = input.recipe.phases.length - 1;
  return { ...input, teachers: { [place]: { config: teacher.config, weights: Object.fromEntries(shared) } } };
}
