/** A phrase that readers have to decode, and what to write instead. A space matches a line break inside a comment or a paragraph too. */
export interface Idiom {
  readonly pattern: string;
  readonly write: string;
}

const say = (write: string, ...patterns: readonly string[]): readonly Idiom[] =>
  patterns.map((pattern) => ({ pattern, write }));

/** Words with which a doc comment must not begin: prepositions, question words, conjunctions, and pronouns for the name below it. */
const HEADLESS: readonly string[] = `
  about above after against although among and as at because before behind below beside between beyond but by despite during except for from
  how if in into it its like near of off on onto or our out outside over past per since so than that their these they those though through to
  under unless unlike until up upon via what whatever when where whether which while who whom whose why with within without
`
  .trim()
  .split(/\s+/);

/** Plain English (CONTRIBUTING.md, "Language"): these phrases must not come back in texts, comments, names of tests or identifiers. */
export const IDIOMS: readonly Idiom[] = [
  ...say(
    '"to callers that …": name the actor',
    '\\b(?:to|for|by|from|with|than|keeps|lets?) who\\b',
  ),
  ...say(
    'name the actor: the caller, the operator, the process',
    '\\bwho asks\\b',
    '\\bof whom\\b',
    '\\bwhoever\\b',
    '\\bwhosoever\\b',
    '\\bwhomever\\b',
  ),
  ...say(
    'begin a doc comment with a verb or a noun that can be read without the name below it',
    `^\\s*/\\*\\*(?:\\s+\\*)?\\s+(?:${HEADLESS.join('|')})\\b(?!-)`,
  ),
  ...say('"no caller", "no process", "no one": name the actor', '(?<![`^]|user )\\bnobody\\b'),
  ...say('"a caller", "an operator", "a person": name the actor', '\\bsomebody\\b'),
  ...say('"everyone", or name the actors', '\\beverybody\\b'),
  ...say(
    '"X is not a …"',
    '(?<!\\bthere )\\b(?:is|are|was|were) no (?!longer|more|less|later|earlier|fewer|better|worse|different|matter|greater|such)[a-z]+',
  ),
  ...say('rotate, renew, or "again"', '\\banew\\b'),
  ...say(
    'dynamic credential; issue',
    '\\bmade to order\\b',
    '\\b(?:credentials?|roles?|users?|keys?|tokens?) to order\\b',
  ),
  ...say(
    '"X reports", "X notifies Y", or name the message',
    '\\b(?:is|are|was|were|be|been|being) told\\b(?! apart)',
    '(?<!\\.\\.)\\b(?:un|left)told\\b',
    '\\btold\\(',
    '\\b(?:isTold|wasTold|areTold)\\w*',
  ),
  ...say(
    '"settings of", or say what holds for it',
    '\\b(?:is|are|was|were) said (?:of|for|by)\\b',
    '\\bwhat is said\\b',
  ),
  ...say('retry, poll, check', '\\blook(?:s|ed|ing)? again\\b', '\\blookAt\\w*'),
  ...say(
    'retry',
    '\\b(?:try|tries|tried|trying) again\\b',
    '\\b(?:try|tries|tried|trying) anew\\b',
  ),
  ...say(
    'resume, continue',
    '\\bcarr(?:y|ies|ied|ying) on\\b',
    '\\b(?:go|goes|going|went) along (?:with|to)\\b',
  ),
  ...say('in progress, in flight', '\\bunder ?way\\b'),
  ...say('unlock; confirm', '\\bvouch(?:es|ed|ing)?\\b'),
  ...say('name the owner', '\\bwhose hands\\b'),
  ...say(
    'as requested; or say the outcome',
    '\\bas was asked\\b',
    '\\bas (?:it|they) should be\\b',
  ),
  ...say('write, provide, deliver', 'furnish'),
  ...say(
    'invalidation; invalidate; restrict',
    '\\bnarrowings?\\b',
    '\\bnarrow(?:s|ed) (?!down)',
    'narrowing[A-Z(]',
  ),
  ...say('orphaned, unknown', '\\bstrays?\\b'),
  ...say('"expires at", "is due"', '\\bhas (?:its|their) time\\b'),
  ...say(
    'verification failed; the log is invalid',
    '\\blog (?:does not|that does not|which does not) hold\\b',
    '\\bthe log holds(?=[.;:,)])',
  ),
  ...say(
    'revoke, roll back, remove',
    '\\b(?:take|takes|taking|took) (?:it |them |this |that )?back\\b',
    '\\btaken back\\b(?! when the pod dies)',
  ),
  ...say('learns of, receives, is notified', '\\bhear(?:s|d)? of\\b', '\\bhears? that\\b'),
  ...say('"waits for an operator"', '\\bwaits for (?:some(?:body|one))\\b'),
  ...say(
    'slow client, unread response',
    '\\bwho do(?:es)? not take\\b',
    '\\bdoes not take its answers?\\b',
  ),
  ...say('retry delay, sleep, poll interval', '\\b[Nn]aps?\\b', '\\bNap[A-Z]\\w*'),
  ...say('pending reports', 'outbox'),
  ...say('promote, deliver, transfer', '(?-i:\\b[Hh]andover\\w*)', '\\bhand-over\\b'),
  ...say('expires, is revoked, is closed', '\\bends of itself\\b', '\\bcome to an end\\b'),
  ...say(
    '"the actor does X": name the actor first',
    '(?-i:(?<=^|[.:;!]|//|\\*) Who) [a-z]+(?:(?!\\n\\s*\\n)[^.?!|])*\\.',
    '(?<=[.;!]) (?-i:[Ww]hat) (?:is|was|are|were|has|had|must|may|can|cannot|does not|it does not) (?:(?!\\n\\s*\\n)[^.?!|])*\\.',
  ),
  ...say('"if" or "when"', '(?:^|[.:;!] |, )(?:also|even|but) where\\b'),
  ...say('invalid, unknown, absent', '\\b(?:that|which|whose [a-z]+) (?:is|are) none\\b'),
  ...say('endless, unlimited; "does not expire"', '\\bwithout end\\b'),
  ...say('continue, resume, keep working', '\\b(?:go|goes|going|went) on\\b(?! PATH\\b)'),
  ...say('attempt', '\\b(?:next|last|first|every|each|one) try\\b'),
  ...say('return, revoke', '\\b(?:give|gives|given|gave) (?:it |them )?back\\b'),
  ...say('"the identity that …"', '\\bas whom\\b'),
  ...say('alternating', '\\bby turns\\b'),
  ...say('in the clear', '\\bin clear\\b'),
  ...say('"with the broker’s own text"', '\\bour (?:own )?words\\b'),
  ...say('explicitly', '\\bin so many words\\b'),
  ...say('disconnects, closes the connection', '\\bhang(?:s|ing)? up\\b'),
  ...say('expired', '\\bran out\\b'),
  ...say('outcome, result', '\\bcame of (?:it|them|that)\\b'),
  ...say('unreachable, unavailable', '\\bis away\\b'),
  ...say('repair, correct', '\\bputs? right\\b'),
  ...say('forward, pass on', '\\bhands? on\\b'),
  ...say(
    'a test title says what the tested part does: "refuses a token without exp"',
    '(?:\\b(?:describe|it)(?:[A-Z]\\w*)?\\(|\\)\\()\\s*(?:\\[[^\\]]*\\],\\s*)?[\'"`](?:who|what|whoever|nobody|no|is told|are told)\\b',
    '(?:\\bit(?:[A-Z]\\w*)?\\(|\\)\\()\\s*[\'"`](?:after|and|at|before|below|by|for|from|if|in|of|that|under|until|when|with|without)\\b',
  ),
];
