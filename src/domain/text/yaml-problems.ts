/** The message never quotes the text, which may be a secret in the wrong place. */
export interface YamlFault {
  readonly message: string;
  readonly offset: number;
}

/** Deeper text could overflow the stack of the readers. A schema in a Kubernetes manifest nests about 40 deep. */
export const DEEPEST = 100;

export const NO_ALIASES =
  'anchors, aliases and tags are not allowed; put quotes around a text that begins with &, * or !';
/** YAML reads `[*]` as an alias: the most common mistake in a list of patterns. */
export const NO_ALIAS =
  "is not valid YAML: put quotes around a text that begins with * or &, for example '*'";

const OPEN = 'bad indent, or a quote, [ or { before this place is not closed';
const COLON = 'bad indent, or a key without ": " after it';
const MORE = 'bad indent, or text after the end of a value';
const ESCAPE = 'unknown escape; put single quotes around a text with backslashes';

/** Words for the reasons of the library. Other reasons are not shown, because some of them quote the text. */
const WORDS: Readonly<Partial<Record<string, string>>> = {
  'deficient indentation': OPEN,
  'unexpected end of the stream within a flow collection': OPEN,
  'unexpected end of the stream within a double quoted scalar': OPEN,
  'unexpected end of the stream within a single quoted scalar': OPEN,
  'missed comma between flow collection entries': 'a comma, ] or } before this place is missing',
  "expected the node content, but found ','": 'nothing stands before a comma',
  "expected ':' after a mapping key": COLON,
  'can not read a block mapping entry; a multiline key may not be an implicit key': COLON,
  'a whitespace character is expected after the key-value separator within a block mapping':
    'a blank after ":" is missing',
  'bad indentation of a mapping entry': 'bad indent, or a text that needs quotes',
  'bad indentation of a sequence entry': MORE,
  'end of the stream or a document separator is expected': MORE,
  'tab characters must not be used in indentation': 'a tab in an indent; indent with blanks',
  'the stream contains non-printable characters':
    'a control character; write it as an escape in double quotes',
  'unknown escape sequence': ESCAPE,
  'expected hexadecimal character': ESCAPE,
  [`nesting exceeded maxDepth (${DEEPEST})`]: `nested deeper than ${DEEPEST}`,
};

/** The fault for which the library refused a text at an offset. */
export function syntaxFault(reason: string, offset: number): YamlFault {
  // The library reports the place after the mark.
  if (/^name of an (?:alias|anchor) node /.test(reason)) {
    return { message: NO_ALIAS, offset: offset - 1 };
  }
  const words = WORDS[reason];
  return { message: `is not valid YAML${words === undefined ? '' : `: ${words}`}`, offset };
}
