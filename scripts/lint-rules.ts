import { builtinRules } from 'eslint/use-at-your-own-risk';
import { plugin as typescript } from 'typescript-eslint';

/** Rules of ESLint, some of whose findings oxlint's own form of them misses, or which it invents. Compared on 3,800 files of other projects. */
const ORIGINAL = [
  'max-depth',
  'no-array-constructor',
  'no-console',
  'no-irregular-whitespace',
  'no-misleading-character-class',
  'no-unsafe-optional-chaining',
  'no-unused-private-class-members',
  'no-useless-assignment',
  'no-useless-escape',
  'preserve-caught-error',
];
const ORIGINAL_TYPESCRIPT = [
  'explicit-module-boundary-types',
  'no-dynamic-delete',
  'no-extraneous-class',
  'no-unused-vars',
  'unified-signatures',
];

/** The part of a rule's context that is used here. */
interface Context {
  report(finding: { readonly node: object; readonly message: string }): void;
}
type Listeners = Readonly<Record<string, (node: object) => void>>;
interface Rule {
  create(context: Context): Listeners;
}

/** Builds a rule that forbids what a selector matches, for a reason. */
function ban(...bans: readonly (readonly [selector: string, message: string])[]): Rule {
  return {
    create: (context) =>
      Object.fromEntries(
        bans.map(([selector, message]) => [
          selector,
          (node: object) => {
            context.report({ node, message });
          },
        ]),
      ),
  };
}

const BANS: Readonly<Record<string, Rule>> = {
  'no-default-export': ban([
    'ExportDefaultDeclaration',
    'No default exports: one name, the same everywhere.',
  ]),
  'no-math-random': ban([
    "MemberExpression[object.name='Math'][property.name='random']",
    'Randomness comes from src/crypto/random/random.ts.',
  ]),
  'no-distinct-headers': ban([
    "MemberExpression[property.name='headersDistinct']",
    'headersDistinct throws on a header named __proto__ (CVE-2026-21710).',
  ]),
  'no-url-pathname': ban([
    "MemberExpression[property.name='pathname'][object.arguments.1.property.name='url']",
    'The pathname of a directory with a blank has %20: use fileURLToPath.',
  ]),
  // A spread of a literal makes the reader ask what is merged, and nothing is.
  'no-literal-spread': ban(
    ['SpreadElement > ObjectExpression', 'Write the members of the object themselves.'],
    ['SpreadElement > ArrayExpression', 'Write the elements of the array themselves.'],
  ),
  'no-system-time': ban(
    [
      "CallExpression[callee.object.name='Date'][callee.property.name='now']",
      'Time comes from the Clock.',
    ],
    ["NewExpression[callee.name='Date'][arguments.length=0]", 'Time comes from the Clock.'],
    ['CallExpression[callee.name=/^set(Timeout|Interval)$/]', 'Timers come from the Clock.'],
    [
      "MemberExpression[object.name='AbortSignal'][property.name='timeout']",
      'Deadlines go by the Clock: src/ports/deadline.ts.',
    ],
  ),
  'no-environment': ban([
    "MemberExpression[object.name='process'][property.name='env']",
    'The environment is read in src/program/config only.',
  ]),
  'no-exit': ban([
    "CallExpression[callee.object.name='process'][callee.property.name='exit']",
    'Only src/program/main.ts and src/program/serving/on-signals.ts end the process.',
  ]),
  'no-reveal': ban([
    "CallExpression[callee.property.name='reveal']",
    'reveal() is called only where a value must leave; add the file to the list in .oxlintrc.json.',
  ]),
  'no-page-markup': ban([
    'JSXAttribute[name.name=/^(?:style|dangerouslySetInnerHTML)$/]',
    'The policy of the page allows no markup from text and no inline style.',
  ]),
  'no-browser-storage': ban([
    'MemberExpression[property.name=/^(?:localStorage|sessionStorage|innerHTML|outerHTML)$/], Identifier[name=/^(?:localStorage|sessionStorage|indexedDB)$/]',
    'The page keeps nothing in the browser, and builds no markup from text.',
  ]),
  'type-names': ban([
    ':matches(ClassDeclaration, ClassExpression, TSInterfaceDeclaration, TSTypeAliasDeclaration, TSEnumDeclaration, TSTypeParameter) > Identifier:matches(.id, .name):matches([name=/^[a-z]|_/], [name=/^(I[A-Z][a-z]|T[A-Z][a-z])|(Dto|Manager|Service|Helper|Util|Handler)s?$/])',
    'A type has a noun in PascalCase as its name, without a prefix, and not an empty one such as Manager.',
  ]),
};

// oxlint-disable-next-line typescript/no-deprecated -- the only export of ESLint's rules; ESLint warns that it has no stable form
const originals = ORIGINAL.map((name) => [name, builtinRules.get(name)] as const);
const { rules: typed } = typescript as unknown as {
  readonly rules: Readonly<Record<string, object>>;
};
const ofTypescript = ORIGINAL_TYPESCRIPT.map((name) => [name, typed[name]] as const);

// oxlint takes plugins as default exports only.
export default {
  meta: { name: 'quaymaster' },
  rules: { ...BANS, ...Object.fromEntries([...originals, ...ofTypescript]) },
};
