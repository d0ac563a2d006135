import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { URL } from 'node:url';
import { load } from 'js-yaml';

/** Pages of the API reference, one for each tag of openapi.yaml. They are Markdown beside this file, which version control ignores. */
const FOLDER = new URL('api/', import.meta.url);
const PAGES = 'docs/site/api';
const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head'];
/** Fields deeper than this have only their type. */
const DEPTH = 5;
const CALLERS = {
  public: 'all callers, without a token',
  workload: 'workloads',
  caller: 'workloads and operators',
  operator: 'operators',
};
const STEP_UP = {
  values: 'A person needs a recent login to see values.',
  always: 'A person needs a recent login.',
};

const contract = load(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8'));
const operations = Object.entries(contract.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method] !== undefined).map((method) => ({
    path,
    method,
    ...item[method],
  })),
);

/** Writes the pages. Returns their titles and paths in reading order. */
export function writeApiPages() {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  const pages = [
    { name: 'README', title: 'All operations', text: overview() },
    ...contract.tags.map((tag) => ({
      name: tag.name,
      title: titleOf(tag.name),
      text: tagPage(tag),
    })),
  ];
  for (const { name, text } of pages) writeFileSync(new URL(`${name}.md`, FOLDER), text);
  return pages.map(({ name, title }) => ({ text: title, path: `${PAGES}/${name}.md`, below: [] }));
}

function titleOf(tag) {
  const words = tag.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function ofTag(name) {
  return operations.filter(({ tags }) => tags.includes(name));
}

function overview() {
  const groups = contract.tags.map(({ name, description }) => {
    const rows = ofTag(name).map(
      ({ operationId, summary, method, path }) =>
        `| [${summary}](${name}.md#${operationId}) | \`${method.toUpperCase()} ${path}\` |`,
    );
    return `## ${titleOf(name)}\n\n${description}.\n\n| operation | request |\n|---|---|\n${rows.join('\n')}`;
  });
  return [
    '---\noutline: 2\n---',
    '# API reference',
    `All operations of the HTTP API, version ${contract.info.version}, from openapi.yaml. [The page about the API](../../api.md) has examples to paste.`,
    contract.info.description.trim(),
    ...groups,
    '',
  ].join('\n\n');
}

function tagPage({ name, description }) {
  return [
    '---\noutline: 2\n---',
    `# API: ${titleOf(name).toLowerCase()}`,
    `${description}. [All operations](README.md) has the rules for every request, and [error codes](../../errors.md) explains each refusal.`,
    ...ofTag(name).map(operation),
    '',
  ].join('\n\n');
}

function operation(op) {
  const parameters = (op.parameters ?? []).map(resolve);
  return [
    `## ${op.summary} {#${op.operationId}}`,
    `\`\`\`http\n${op.method.toUpperCase()} ${op.path}\n\`\`\``,
    ...(op.description === undefined ? [] : [op.description.trim()]),
    access(op),
    ...(parameters.length === 0 ? [] : ['### Parameters', parameterTable(parameters)]),
    ...(op.requestBody === undefined ? [] : body('### Body', resolve(op.requestBody))),
    '### Answers',
    answers(op.responses),
    ...Object.entries(op.responses).flatMap(([status, response]) =>
      /^2/.test(status) ? body(`### Body of the answer ${status}`, resolve(response)) : [],
    ),
  ].join('\n\n');
}

/** Facts about an operation that do not depend on the request. */
function access(op) {
  const roles = (op['x-roles'] ?? []).map((role) => `\`${role}\``).join(' or ');
  const facts = [
    `Operation: \`${op.operationId}\``,
    `Callers: ${CALLERS[op['x-who']] ?? op['x-who']}${roles === '' ? '' : `; operators need the role ${roles}`}`,
    ...(op['x-audit-action'] === undefined ? [] : [`Audit action: \`${op['x-audit-action']}\``]),
    ...(op['x-weight'] === undefined ? [] : [`Cost in the rate limit: ${op['x-weight']}`]),
    ...(STEP_UP[op['x-step-up']] === undefined ? [] : [STEP_UP[op['x-step-up']]]),
  ];
  return facts.map((fact) => `- ${fact}`).join('\n');
}

function parameterTable(parameters) {
  return table(
    ['parameter', 'in', 'type', 'meaning'],
    parameters.map((parameter) => [
      `${code(parameter.name)}${parameter.required ? ' (required)' : ''}`,
      parameter.in,
      typeOf(parameter.schema),
      meaningOf({ ...resolve(parameter.schema), ...given(parameter.description) }),
    ]),
  );
}

function given(description) {
  return description === undefined ? {} : { description };
}

function answers(responses) {
  return table(
    ['status', 'meaning', 'content'],
    Object.entries(responses).map(([status, response]) => {
      const { description, content = {} } = resolve(response);
      return [status, description, Object.keys(content).map(code).join(', ')];
    }),
  );
}

function body(heading, { content = {} }) {
  const [[type, media] = []] = Object.entries(content);
  if (type === undefined) return [];
  const rows = media.schema === undefined ? [] : fieldsOf(media.schema, '', 0);
  const others = Object.keys(content).slice(1).map(code);
  const also = others.length === 0 ? '' : ` Also as ${others.join(', ')}.`;
  const whole = rows.length === 0 && media.schema !== undefined ? `: ${typeOf(media.schema)}` : '';
  const text = `As ${code(type)}${whole}.${also}`;
  return rows.length === 0
    ? [heading, text]
    : [heading, text, table(['field', 'type', 'meaning'], rows)];
}

/** Rows for the fields of an object and of the objects in it, by their place: `lease.expiresAt`, `items[].path`. */
function fieldsOf(schema, place, depth) {
  const whole = resolve(schema);
  if (depth > DEPTH) return [];
  if (whole.items !== undefined) return fieldsOf(whole.items, `${place}[]`, depth + 1);
  const map = whole.additionalProperties;
  const rows = Object.entries(whole.properties ?? {}).flatMap(([name, field]) => {
    const at = place === '' ? name : `${place}.${name}`;
    const isRequired = (whole.required ?? []).includes(name);
    return [
      [`${code(at)}${isRequired ? ' (required)' : ''}`, typeOf(field), meaningOf(resolve(field))],
      ...fieldsOf(field, at, depth + 1),
    ];
  });
  if (typeof map === 'object')
    rows.push(...fieldsOf(map, `${place === '' ? '' : `${place}.`}<name>`, depth + 1));
  const variants = (whole.oneOf ?? whole.anyOf ?? []).map((each) =>
    fieldsOf(each, place, depth + 1),
  );
  const names = rows.map(([name]) => name);
  for (const row of variants.flat()) {
    if (names.includes(row[0])) continue;
    names.push(row[0]);
    rows.push([row[0].replace(' (required)', ''), row[1], row[2]]);
  }
  return rows;
}

/** The schema without references: members of `allOf` are part of it. */
function resolve(schema) {
  if (schema.$ref !== undefined) {
    const { $ref, ...beside } = schema;
    const target = $ref
      .split('/')
      .slice(1)
      .reduce((node, key) => node[key], contract);
    return { ...resolve(target), ...beside };
  }
  if (schema.allOf === undefined) return schema;
  const parts = schema.allOf.map(resolve);
  return {
    ...Object.assign({}, ...parts, schema),
    properties: Object.assign({}, ...parts.map(({ properties }) => properties), schema.properties),
    required: [...parts, schema].flatMap(({ required }) => required ?? []),
  };
}

function typeOf(schema) {
  const whole = resolve(schema);
  if (whole.const !== undefined) return code(whole.const);
  if (whole.enum !== undefined) return whole.enum.map(code).join(', ');
  const variants = whole.oneOf ?? whole.anyOf;
  if (variants !== undefined && whole.properties === undefined) {
    return [...new Set(variants.map(typeOf))].join(' or ');
  }
  if (whole.items !== undefined) return `list of ${typeOf(whole.items)}`;
  if (whole.type === 'array') return 'list';
  if (typeof whole.additionalProperties === 'object' && whole.properties === undefined) {
    return `map of ${typeOf(whole.additionalProperties)}`;
  }
  return [whole.type ?? 'any value'].flat().join(' or ');
}

function meaningOf(schema) {
  const limits = [
    ['minimum', 'at least', ''],
    ['maximum', 'at most', ''],
    ['minItems', 'at least', ' items'],
    ['maxItems', 'at most', ' items'],
    ['minLength', 'at least', ' characters'],
    ['maxLength', 'at most', ' characters'],
  ].flatMap(([key, words, unit]) =>
    schema[key] === undefined ? [] : [`${words} ${schema[key]}${unit}`],
  );
  const pattern = schema.pattern === undefined ? [] : [`pattern ${code(schema.pattern)}`];
  const fallback =
    schema.default === undefined ? [] : [`default ${code(JSON.stringify(schema.default))}`];
  const text = (schema.description ?? '').trim().replace(/([^.!?])$/, '$1.');
  return [text, [...limits, ...pattern, ...fallback].join('; ')]
    .filter((part) => part !== '')
    .join(' ');
}

function table(head, rows) {
  const line = (cells) =>
    `| ${cells
      .map((cell) =>
        String(cell)
          .replaceAll(/(?<!\\)\|/g, '\\|')
          .replaceAll(/\s*\n\s*/g, ' '),
      )
      .join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Code in Markdown, also of texts with backticks. */
function code(text) {
  const marks = String(text).includes('`') ? '``' : '`';
  return `${marks}${text}${marks}`;
}
