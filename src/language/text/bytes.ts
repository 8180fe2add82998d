/**
 * GPT-2's alphabet of bytes (openai/gpt-2, src/encoder.py): printable Latin-1 characters stand for themselves, the
 * other 68 bytes for the characters from U+0100 on, so that a vocabulary of bytes is text that anybody can read.
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
