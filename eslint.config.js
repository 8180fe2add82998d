/** What a machine can check of the style: typed rules for the sources, and the bans that keep answers reproducible. */
import stylistic from "@stylistic/eslint-plugin";
import tseslint from "typescript-eslint";

const CLOCK = "a wall clock must not decide a result; take a Clock from base where time is only reported";
const DEFINED = "implementation-defined: bits would differ between engines; base has one made of + - * / sqrt";
const implementationDefined = [
  "exp",
  "expm1",
  "log",
  "log2",
  "log10",
  "log1p",
  "pow",
  "sin",
  "cos",
  "tan",
  "asin",
  "acos",
  "atan",
  "atan2",
  "sinh",
  "cosh",
  "tanh",
  "asinh",
  "acosh",
  "atanh",
  "cbrt",
  "hypot",
];
const random = {
  object: "Math",
  property: "random",
  message: "randomness is a function of seed and place: see base/rng.ts",
};

export default tseslint.config(
  {
    ignores: ["dist/", "node_modules/", "models/", "src/numeric/kernels/assembly/", "**/*.wasm", "src/edge/http/page/"],
  },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.{ts,js,mjs}"],
    plugins: { "@stylistic": stylistic },
    rules: { "@stylistic/max-len": ["error", { code: 120 }] },
  },
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
      // What was caught may be handed on as it is.
      "@typescript-eslint/prefer-promise-reject-errors": [
        "error",
        { allowThrowingUnknown: true, allowThrowingAny: false },
      ],
      "@typescript-eslint/no-invalid-void-type": "off",
      // Contracts are interfaces of methods, met by closures and handed on as functions.
      "@typescript-eslint/unbound-method": "off",
      // Numeric code proves its indices by construction; `!` says so where noUncheckedIndexedAccess cannot see it.
      "@typescript-eslint/no-non-null-assertion": "off",
      // A contract may be asynchronous while one implementation has nothing to wait for.
      "@typescript-eslint/require-await": "off",
      // Type parameters that appear once are how schemas hand their output type through.
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      // Checks at run time of what the types already say are how untyped input is refused.
      "@typescript-eslint/no-unnecessary-condition": "off",
      // Untyped input is printed as it is in error messages.
      "@typescript-eslint/no-base-to-string": "off",
      "@typescript-eslint/use-unknown-in-catch-callback-variable": "off",
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  {
    files: ["src/base/**", "src/numeric/**", "src/language/models/**", "src/work/train/**", "src/work/infer/**"],
    rules: {
      "no-restricted-properties": [
        "error",
        random,
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
  {
    // What a step took is measured and reported there; the clock on the wall stays out.
    files: ["src/work/train/**", "src/work/infer/**"],
    rules: {
      "no-restricted-properties": [
        "error",
        random,
        { object: "Date", property: "now", message: CLOCK },
        ...implementationDefined.map((property) => ({ object: "Math", property, message: DEFINED })),
      ],
    },
  },
  {
    files: ["src/base/clock.ts"],
    rules: { "no-restricted-properties": ["error", random], "no-restricted-syntax": "off" },
  },
  {
    files: ["tests/**/*.ts", "bench/**/*.ts", "examples/**/*.ts", "scripts/**/*.ts"],
    rules: {
      "no-console": "off",
      // Tests read what was written (JSON.parse) and fail on what is not there.
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }],
      "@typescript-eslint/restrict-plus-operands": "off",
      // node:test's test() and describe() return promises that the runner itself waits for.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              package: "node:test",
              name: ["test", "it", "describe", "suite", "before", "after", "beforeEach", "afterEach"],
            },
          ],
        },
      ],
    },
  },
  { files: ["**/*.{js,mjs}"], languageOptions: { ecmaVersion: "latest", sourceType: "module" } },
);
