/** What a machine can check of the style: typed rules for the sources, and the bans that keep answers reproducible. */
import tseslint from "typescript-eslint";

const CLOCK = "a wall clock must not decide a result; take a Clock from base where time is only reported";
const DEFINED = "implementation-defined: bits would differ between engines; base has one made of + - * / sqrt";
const implementationDefined = [
  "exp", "expm1", "log", "log2", "log10", "log1p", "pow", "sin", "cos", "tan", "asin", "acos", "atan", "atan2",
  "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "cbrt", "hypot",
];
const random = { object: "Math", property: "random", message: "randomness is a function of seed and place: see base/rng.ts" };

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "models/", "src/numeric/kernels/assembly/", "**/*.wasm", "src/edge/http/page/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "no-restricted-properties": ["error", random],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-generated-empty-object-type": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/only-throw-error": "error",
      // Numeric code proves its indices by construction; `!` says so where noUncheckedIndexedAccess cannot see it.
      "@typescript-eslint/no-non-null-assertion": "off",
      // A contract may be asynchronous while one implementation has nothing to wait for.
      "@typescript-eslint/require-await": "off",
      // Type parameters that appear once are how schemas hand their output type through.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      // Checks at run time of what the types already say are how untyped input is refused.
      "@typescript-eslint/no-unnecessary-condition": "off",
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  {
    files: ["src/base/**", "src/numeric/**", "src/language/models/**", "src/work/train/**", "src/work/infer/**"],
    rules: {
      "no-restricted-properties": [
        "error", random,
        { object: "Date", property: "now", message: CLOCK },
        { object: "performance", property: "now", message: CLOCK },
        ...implementationDefined.map((property) => ({ object: "Math", property, message: DEFINED })),
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "NewExpression[callee.name='Date']", message: CLOCK },
        { selector: "BinaryExpression[operator='**']", message: `** is Math.pow, ${DEFINED}` },
      ],
    },
  },
  { files: ["src/base/clock.ts"], rules: { "no-restricted-properties": ["error", random], "no-restricted-syntax": "off" } },
  {
    files: ["tests/**", "bench/**", "examples/**", "src/edge/cli/**"],
    rules: {
      "no-console": "off",
      // node:test's test() and describe() return promises that the runner itself waits for.
      "@typescript-eslint/no-floating-promises": ["error", { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "it", "describe", "suite", "before", "after", "beforeEach", "afterEach"] }] }],
    },
  },
  { files: ["**/*.{js,mjs}"], languageOptions: { ecmaVersion: "latest", sourceType: "module" } },
);
