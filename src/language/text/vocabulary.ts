/** The vocabulary that a training fills: tokens in the order of their ids. */
export class GrowingVocabulary {
  readonly #tokens: string[] = [];
  readonly #ids = new Map<string, number>();

  constructor(tokens: Iterable<string>) {
    for (const token of tokens) this.add(token);
  }

  get tokens(): readonly string[] {
    return this.#tokens;
  }

  /** The id of a token, a new one where it is not there yet. */
  add(token: string): number {
    let id = this.#ids.get(token);
    if (id === undefined) {
      id = this.#tokens.push(token) - 1;
      this.#ids.set(token, id);
    }
    return id;
  }

  /** The same, or undefined where there would be more than `limit` tokens. */
  addWithin(limit: number, token: string): number | undefined {
    return this.#ids.has(token) || this.#tokens.length < limit ? this.add(token) : undefined;
  }

  /** A token by its id, which must be there. */
  token(id: number): string {
    return this.#tokens[id] as string;
  }
}
