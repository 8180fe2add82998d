/**
 * Started as a process of its own: runs the program named by its arguments as an older Node does, which cannot replace
 * itself and so keeps a child.
 */
Object.defineProperty(process, "execve", { value: undefined });
const { become } = (await import(new URL("../../bin/runtime.mjs", import.meta.url).href)) as {
  become: (executable: string, args: readonly string[]) => void;
};
become(process.execPath, process.argv.slice(2));
