/**
 * Bytes of characters in UTF-8, and GPT-2's alphabet of bytes (openai/gpt-2, src/encoder.py): printable Latin-1
 * characters stand for themselves, the other 68 bytes for the characters from U+0100 on, so that a vocabulary of bytes
 * is text that anybody can read.
 */

const PRINTABLE: readonly (readonly [number, number])[] = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
];

function characters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(PRINTABLE.some(([first, last]) => byte >= first && byte <= last) ? byte : next++),
  );
}

const CHARACTERS: readonly string[] = Object.freeze(characters());
const BYTES: ReadonlyMap<string, number> = new Map(CHARACTERS.map((character, byte) => [character, byte]));

export const characterOfByte = (byte: number): string => CHARACTERS[byte] as string;
export const byteOfCharacter = (character: string): number | undefined => BYTES.get(character);

/** The UTF-8 bytes of a code point. */
export function forEachByte(code: number, take: (byte: number) => void): void {
  if (code < 0x80) {
    take(code);
    return;
  }
  const more = code < 0x800 ? 1 : code < 0x1_0000 ? 2 : 3;
  take(((0xff << (7 - more)) & 0xff) | (code >> (6 * more)));
  for (let i = more - 1; i >= 0; i--) take(0x80 | ((code >> (6 * i)) & 0x3f));
}
