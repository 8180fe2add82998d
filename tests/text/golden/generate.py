"""Writes expected-*.json: what Python's `tokenizers` makes of texts.json with the tokenizers in tests/tiny/tokenizer-*.

    pip install tokenizers==0.23.3 && python tests/text/golden/generate.py

Offsets are turned from code points into UTF-16 code units, which is what JavaScript counts.
"""
import json
import pathlib

import tokenizers

here = pathlib.Path(__file__).parent
texts = json.loads((here / "texts.json").read_text())


def units(text, code_points):
    return len(text[:code_points].encode("utf-16-le")) // 2


for name in ("uncased", "cased"):
    tokenizer = tokenizers.Tokenizer.from_file(str(here / f"../../tiny/tokenizer-{name}/tokenizer.json"))
    items = []
    for i, text in enumerate(texts):
        one = tokenizer.encode(text)
        pair_text = texts[(i + 7) % len(texts)]
        tokenizer.enable_truncation(12, strategy="longest_first")
        pair = tokenizer.encode(text, pair_text)
        tokenizer.no_truncation()
        items.append({
            "ids": one.ids,
            "offsets": [[units(text, a), units(text, b)] for a, b in one.offsets],
            "decoded": tokenizer.decode(one.ids, skip_special_tokens=True),
            "pair": {"ids": pair.ids, "typeIds": pair.type_ids},
        })
    out = {"generator": f"generate.py, tokenizers {tokenizers.__version__}", "items": items}
    (here / f"expected-{name}.json").write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")) + "\n")
