import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Liquid } from 'liquidjs';
import { TemplateEngine } from '../../../../src/delivery/files/template-engine.ts';
import { BytesValue } from '../../../../src/delivery/files/template-filters.ts';

const CANARY = 'qm-canary-5f1c';
const engine = new TemplateEngine();

function rendered(text: string, secrets: Readonly<Record<string, object>>): string {
  return engine.parse(text, 'app.liquid').render(secrets);
}

function failure(
  text: string,
  secrets: Readonly<Record<string, object>> = { db: { password: CANARY } },
): string {
  try {
    return `no failure, but ${rendered(text, secrets)}`;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a template', () => {
  it('prints values of secrets, in loops and conditions too', () => {
    const text =
      '{% for entry in secrets.db %}{{ entry[0] }}={{ entry[1] }};{% endfor %}{% if secrets.mail %}mail{% else %}none{% endif %}';
    expect(rendered(text, { db: { user: 'u', password: 'p' } })).toBe('user=u;password=p;none');
    expect(rendered("{{ secrets['a-b']['c.d'] }}", { 'a-b': { 'c.d': 'x' } })).toBe('x');
  });

  it.each([
    '{{ secrets.db.user }}',
    '{% raw %}',
    "{{ 'x' | upcase }}",
    '{% include "x" %}',
    '<%= x %>',
    '$(id)',
  ])('prints a value %j literally, and never parses it (GHSA-59w7-v8rr-pr4p)', (value) => {
    const text = '{{ secrets.db.password }} {% assign v = secrets.db.password %}{{ v }}';
    expect(rendered(text, { db: { password: value } })).toBe(`${value} ${value}`);
  });

  it('lists the secrets that it uses', () => {
    expect(engine.parse("{{ secrets.a.b }}{% if secrets['c-d'] %}{% endif %}", 't').uses).toEqual(
      new Set(['a', 'c-d']),
    );
    expect(engine.parse('{{ secrets[secrets.a.b] }}', 't').uses).toBeUndefined();
  });

  it('uses the secrets that the analysis of the library finds', () => {
    const liquid = new Liquid();
    const value = fc.constantFrom(
      "secrets.a.k | append: secrets['b'].k",
      'x',
      'x.y',
      'secrets.c',
      "'text'",
      '1',
      '(1..secrets.d.n)',
      'secrets.a | default: x',
      'i.k',
      'secrets[secrets.e.k]',
      'secrets',
    );
    const part = fc.oneof(
      value.map((text) => `{{ ${text} }}`),
      value.map((text) => `{% assign x = ${text} %}`),
      value.map((text) => `{% capture x %}{{ ${text} }}{% endcapture %}`),
      value.map((text) => `{% for i in ${text} %}{{ i.k }}{% break %}{% endfor %}`),
      fc.tuple(value, value).map(([a, b]) => `{% if a %}{% elsif ${a} %}{{ ${b} }}{% endif %}`),
      fc.tuple(value, value).map(([a, b]) => `{% case ${a} %}{% when ${b} %}{% endcase %}`),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const text = parts.join('');
        const globals = liquid.globalVariableSegmentsSync(liquid.parse(text));
        const isForeign = globals.some(([root]) => root !== 'secrets');
        const names = globals.map(([, name]) => name);
        const isComputed = names.some((name) => typeof name !== 'string');
        const expected = isComputed ? undefined : new Set(names);
        if (isForeign) expect(() => engine.parse(text, 't')).toThrow(/must begin with "secrets."/);
        else expect(engine.parse(text, 't').uses).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['{{ secrets.db.pasword }}', 'app.liquid:1:4: no such variable: secrets.db.pasword'],
    ['\n\n  {{ secrets.mail.user }}', 'app.liquid:3:6: no such variable: secrets.mail.user'],
    [
      '{{ secrets[secrets.db.password] }}',
      'app.liquid:1:4: no such variable: secrets[secrets.db.password]',
    ],
  ])('reports where %j is missing, and quotes its own text alone (G04)', (text, message) => {
    expect(failure(text)).toBe(message);
  });

  it.each([
    '{{ secrets.db.password | nope }}',
    '{{ secrets.db.password | json | base64url | nope }}',
    '{{ secrets.db | shell }}',
    '{% assign x = secrets.db.password %}{{ secrets.db[x] }}',
    '{% case secrets.db.password %}{% when %}',
    '{{ secrets.db.password',
    '{% if secrets.db.password %}',
    "{{ secrets.db.password | slice: 'x', secrets.db.password }}{{ secrets.db.none }}",
  ])('does not disclose a value when %j fails (G04)', (text) => {
    expect(failure(text)).toMatch(/^app\.liquid:1:\d+: /);
    expect(failure(text)).not.toContain(CANARY);
  });

  it.each([
    '{% include "/etc/passwd" %}',
    "{% include '/etc/passwd' %}",
    "{% render '/etc/passwd' %}",
    "{% layout '/etc/passwd' %}",
    '{% block x %}{% endblock %}',
    '{% liquid include "/etc/passwd" %}',
    "{{ '/etc/passwd' | file }}",
    "{{ 'x' | where_exp: 'i', 'i' }}",
    "{{ 'now' | date: '%s' }}",
    "{{ 'HOME' | env }}",
    '{{ secrets.constructor }}',
    '{{ secrets.db.constructor }}',
    '{{ secrets.db.__proto__ }}',
    '{{ secrets.db.password.constructor }}',
    '{{ secrets.db.toString }}',
    "{{ constructor.constructor('return process')() }}",
    '{{ process.env.HOME }}',
    '{{ globalThis }}',
  ])('cannot %s (N06)', (text) => {
    expect(failure(text)).toMatch(/^app\.liquid/);
  });

  it.each([
    '{% for i in (1..100000000) %}{{ i }}{% endfor %}',
    "{% assign x = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}{% for i in (1..64) %}{% assign x = x | append: x %}{% endfor %}",
  ])('is stopped before it uses all memory: %s', (text) => {
    expect(failure(text)).toMatch(/limit exceeded/);
  });

  it('needs a filter for bytes, such as base64', () => {
    const secrets = { tls: { key: new BytesValue('AAH/') } };
    expect(
      rendered('{{ secrets.tls.key | base64 }} {{ secrets.tls.key | base64url }}', secrets),
    ).toBe('AAH/ AAH_');
    expect(failure('{{ secrets.tls.key }}', secrets)).toMatch(/the value is bytes/);
    expect(failure("{{ secrets.tls.key | append: 'x' }}", secrets)).toMatch(/^app\.liquid/);
  });

  it.each([
    ['shell', "it's $(id)", `'it'\\''s $(id)'`],
    ['dotenv', "it's $5", `"it's \\$5"`],
    ['properties', ' a=b', '\\ a\\=b'],
    ['url', "a b/ü@:!'", 'a%20b%2F%C3%BC%40%3A%21%27'],
    ['toml', 'a"b\\\n\u007f', '"a\\"b\\\\\\n\\u007f"'],
    ['yaml', 'no', '"no"'],
    ['xml', `<a href="x">'&`, '&#60;a href=&#34;x&#34;&#62;&#39;&#38;'],
    ['json', 'a"b', '"a\\"b"'],
    ['base64', 'ü', 'w7w='],
    ['base64url', '\u00ff?', 'w78_'],
  ])('quotes by the filter %s', (filter, value, expected) => {
    expect(rendered(`{{ secrets.db.v | ${filter} }}`, { db: { v: value } })).toBe(expected);
  });
});
