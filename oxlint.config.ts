import { defineConfig } from "oxlint";

/**
 * The order in which folders stand (DESIGN §3): a file imports only from its own folder or from folders to its left.
 * Entries of one inner list are neighbours that never import each other.
 */
const ORDER = [
  ["problem", "json"],
  ["config", "stores", "body", "isolate"],
  ["crypto"],
  ["catalog"],
  ["vault"],
  ["directory"],
  ["auth"],
  ["proxy"],
  ["signin", "oauth", "api", "pages"],
  ["mcp"],
  ["router"],
  ["index"],
];

/** Separate programs: nothing of the Worker imports them. */
const PROGRAMS = ["local", "dashboard", "cli"];

const layers = ORDER.flatMap((neighbours, index) =>
  neighbours.map((name) => ({
    name,
    right: [...ORDER.slice(index + 1).flat(), ...neighbours.filter((other) => other !== name), ...PROGRAMS],
  })),
);

export default defineConfig({
  plugins: ["typescript", "import", "unicorn", "oxc", "promise"],
  categories: { correctness: "error", suspicious: "error", perf: "error" },
  options: { typeAware: true },
  // Stryker reads its settings from a default export.
  ignorePatterns: ["worker-configuration.d.ts", "test/node_modules", "test/mutation/stryker.config.mjs"],
  rules: {
    "import/no-cycle": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-explicit-any": "error",
    "typescript/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    "import/no-default-export": "error",
    // Awaiting one after the other is often the point: order is what makes it right.
    "no-await-in-loop": "off",
    "no-shadow": "off",
    // fast-check is used by its name everywhere.
    "import/no-named-as-default-member": "off",
    "oxc/no-map-spread": "off",
    // TypeScript sees better which switches are exhaustive.
    "typescript/consistent-return": "off",
    "no-underscore-dangle": "off",
    "import/no-unassigned-import": "off",
    "typescript/no-unsafe-type-assertion": "off",
    "unicorn/no-array-sort": "off",
  },
  overrides: [
    ...layers.map(({ name, right }) => ({
      files: [`src/${name}/**`, `src/${name}.ts`],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: right.map((other) => ({
              regex: `^(\\.\\./|\\./)+${other}(/|\\.ts$)`,
              message: `${name} stands to the left of ${other} and may not import from it (oxlint.config.ts).`,
            })),
          },
        ] as const,
      },
    })),
    {
      // A program of its own: of ours it knows the contract, and only its types.
      files: ["src/cli/**"],
      rules: {
        "no-restricted-imports": [
          "error",
          {
            patterns: [
              {
                regex: `^(\\.\\./)+(${[...ORDER.flat().filter((name) => name !== "api"), "local", "dashboard"].join("|")})(/|\\.ts$)`,
                message: "The command line imports api/schema.ts and nothing else of ours.",
              },
              {
                group: ["../api/**", "../../api/**", "!../api/schema.ts", "!../../api/schema.ts"],
                message: "The command line imports api/schema.ts and nothing else of ours.",
              },
            ],
          },
        ] as const,
      },
    },
    {
      // 26 s of CPU for a gigabyte: bodies are piped by the runtime (SECURITY S5).
      files: ["src/proxy/**"],
      rules: {
        "no-restricted-globals": [
          "error",
          { name: "TransformStream", message: "Pipe through IdentityTransformStream instead." },
        ] as const,
      },
    },
    {
      // The MCP SDK's transports are told what to do by such properties; they know no events.
      files: ["src/mcp/**"],
      rules: { "unicorn/prefer-add-event-listener": "off" },
    },
    {
      // A test may spell out what a program should not.
      files: ["test/**"],
      rules: {
        "unicorn/consistent-function-scoping": "off",
        "unicorn/no-useless-spread": "off",
        "import/no-named-as-default": "off",
        "no-unmodified-loop-condition": "off",
        "no-unused-expressions": "off",
        "typescript/require-array-sort-compare": "off",
        "typescript/unbound-method": "off",
        "typescript/no-misused-spread": "off",
        "typescript/no-unnecessary-template-expression": "off",
        "unicorn/prefer-string-starts-ends-with": "off",
        "typescript/no-unnecessary-type-assertion": "off",
        "typescript/no-unnecessary-type-arguments": "off",
      },
    },
    {
      files: ["*.config.{ts,mjs}", "src/index.ts", "test/**/*.ts", "scripts/**"],
      rules: { "import/no-default-export": "off" },
    },
  ],
});
