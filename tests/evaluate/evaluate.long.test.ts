/**
 * `evaluate` of every task on tiny versions: the same figures on one thread and on three; bad tables are refused.
 * @concurrent
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  evaluate,
  loadModel,
  type EvaluateOptions,
  type Evaluation,
  type MeasuredTask,
} from "../../src/edge/api/index.ts";
import { readMeasured, rowsOn } from "../../src/work/evaluate/index.ts";
import { readVersionInfo, type VersionTask } from "../../src/work/infer/index.ts";
import { TASKS, type TaskVersion } from "../../src/work/tasks/index.ts";
import { filesOf, VERSION_TASKS } from "../tasks/versions.ts";

interface Case<T extends MeasuredTask> {
  readonly of: VersionTask;
  readonly file: string;
  readonly table: string;
  readonly options?: Partial<EvaluateOptions>;
  readonly shows: (report: Evaluation<T>) => void;
  /** A table that does not fit, and what is said. */
  readonly wrong: readonly [table: string, message: RegExp];
}

const isShare = ({ value, low, high }: { value: number; low: number; high: number }): void =>
  assert.ok(low <= value && value <= high && low >= 0 && high <= 1);

const CASES: { readonly [T in MeasuredTask]: Case<T> } = {
  classify: {
    of: "classify",
    file: "classes.csv",
    table: "text,label\nmy card,card\ncash was not given,cash\na loan please,loan\nmy cash,card\n",
    shows: (report) => {
      isShare(report.accuracy);
      assert.equal(report.classes.length, 3);
      assert.equal(report.classes[0]!.support, 2);
    },
    wrong: ["text,label\na,card\nb,house\n", /line 3 of .* \(row 2\) has the label "house"/],
  },
  "multi-label": {
    of: "multi-label",
    file: "labels.jsonl",
    table: [
      '{"text":"my card","labels":["card","cash"]}',
      '{"text":"a loan","labels":[]}',
      '{"text":"cash","labels":"loan|card"}',
    ].join("\n"),
    shows: (report) => {
      isShare(report.exactMatch);
      assert.deepEqual(
        report.classes.map(({ support }) => support),
        [2, 1, 1],
      );
    },
    wrong: ['{"text":"my card","labels":["card","house"]}\n', /line 1 of .* has the label "house"/],
  },
  score: {
    of: "score",
    file: "scores.csv",
    table: "text,score\nmy card,0.2\ncash,0.7\na loan,0.4\ncash was not given,1\n",
    shows: (report) => assert.ok(report.meanAbsoluteError.low <= report.meanAbsoluteError.value),
    wrong: ["text,score\na,much\n", /has the score "much", which is no finite number/],
  },
  rerank: {
    of: "score",
    file: "judged.csv",
    table: "query,document,relevance\ncard,my card,1\ncard,cash,0\nloan,a loan,2\nloan,cash,0\nloan,card,1\n",
    options: { task: "rerank" },
    shows: (report) => {
      assert.equal(report.queries, 2);
      isShare(report.mrr!);
    },
    wrong: ["query,document,relevance\ncard,my card,-1\n", /has the relevance -1; it is 0 or more/],
  },
  "token-classify": {
    of: "token-classify",
    file: "tags.conll",
    table: "my O\ncard B-card\nhas O\n\na O\nloan B-loan\nplease I-loan\n",
    shows: (report) => {
      isShare(report.wordAccuracy);
      assert.deepEqual(
        report.classes.map(({ label, support }) => [label, support]),
        [
          ["card", 1],
          ["loan", 1],
        ],
      );
      assert.equal(report.unreadWords, 0);
    },
    wrong: ["my B-house\n", /line 1 of .* \(row 1\) has the tag "B-house"/],
  },
  similarity: {
    of: "embed",
    file: "pairs.csv",
    table: "text,second,score\nmy card,a card,5\ncash,a loan,1\nloan,my loan,4\n",
    shows: (report) => assert.ok(Math.abs(report.spearman!.value) <= 1),
    wrong: ["text,score\na,1\n", /say which one holds the second/],
  },
  "fill-mask": {
    of: "masked-lm",
    file: "masks.csv",
    table: "text,answer\nmy [MASK] has not arrived,card\n[MASK] was not [MASK],cash|given\n",
    options: { task: "fill-mask" },
    shows: (report) => {
      assert.equal(report.masks, 3);
      assert.ok(Math.abs(Math.log(report.perplexity.value) - report.negativeLogLikelihood.value) < 1e-9);
    },
    wrong: ["text,answer\nmy [MASK] is here,unheardof\n", /"unheardof" is not one token of this version/],
  },
  perplexity: {
    of: "causal-lm",
    file: "texts.txt",
    table: "my card has\nnot arrived\n\ncash was not given\n",
    shows: (report) => {
      assert.deepEqual([report.data.rows, report.truncated], [2, 0]);
      const { tokens, bytes, bitsPerByte, negativeLogLikelihood: loss } = report;
      assert.ok(Math.abs(bitsPerByte!.value * bytes * Math.LN2 - loss.value * tokens) < 1e-6);
    },
    wrong: ["", /is empty/],
  },
};

describe("evaluate", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "lockstep-evaluate-"));
    for (const task of VERSION_TASKS) {
      await mkdir(join(folder, task));
      for (const [name, bytes] of filesOf(task)) await writeFile(join(folder, task, name), bytes);
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const task of Object.keys(CASES) as MeasuredTask[])
    it(`${task}: the same on one thread and on three`, async () => {
      const { of, file, table, options = {}, shows, wrong } = CASES[task] as Case<MeasuredTask>;
      const data = join(folder, file);
      await writeFile(data, table);
      const on = async (threads: number) => {
        const { seconds, ...figures } = await evaluate(join(folder, of), { data, ...options }, { threads });
        assert.ok(seconds >= 0);
        return figures;
      };
      const [one, three] = [await on(1), await on(3)];
      assert.deepEqual(one, three);
      assert.equal(one.task, task);
      shows(one as Evaluation);
      await writeFile(data, wrong[0]);
      const info = readVersionInfo(filesOf(of));
      const outcomesOf = () => Promise.resolve([]);
      const read = async () => await rowsOn(task, await readMeasured(task, data, {}), info, { outcomesOf });
      await assert.rejects(read(), { code: "DATA_INVALID", message: wrong[1] });
    });

  it("a task that the version has no answers to, and a column that nothing reads, are refused by name", async () => {
    const data = join(folder, "classes.csv");
    await writeFile(data, CASES.classify.table);
    await assert.rejects(evaluate(join(folder, "classify"), { data, task: "perplexity" }), {
      code: "INPUT_INVALID",
      message: /it is no language model; ask it to classify/,
    });
    await assert.rejects(evaluate(join(folder, "classify"), { data, columns: { score: "label" } }), {
      code: "OPTION_INVALID",
      message: /measuring classify reads no column of score; further columns that it reads: second/,
    });
  });

  it("perplexity: a masked model's words and bytes are those of what it read", async () => {
    const data = join(folder, "long.txt");
    await writeFile(data, `${"my card has not arrived ".repeat(20)}\n`);
    const report = await evaluate(join(folder, "masked-lm"), { data, task: "perplexity" }, { threads: 1 });
    assert.deepEqual([report.truncated, report.tokens], [1, 30]); // 32 less the two special ones
    assert.equal(report.words, 30);
    assert.ok(report.bytes < 160 && report.bytes >= 140, `${report.bytes}`);
    await using model = await loadModel(join(folder, "masked-lm"), { threads: 1 });
    const version: TaskVersion = model.info;
    const encoded = await TASKS.perplexity.encode(version, "my card");
    assert.deepEqual(encoded.notes, { from: 0, to: 7 });
  });
});
