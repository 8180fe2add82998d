/** A reporter for Node's test runner: a line of JSON for each file, how long its process ran. */
export default async function* seconds(source) {
  for await (const { type, data } of source)
    if (type === "test:complete" && data.nesting === 0 && data.file.endsWith(data.name))
      yield `${JSON.stringify({ file: data.name, seconds: data.details.duration_ms / 1000 })}\n`;
}
