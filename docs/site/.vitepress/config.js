import { readFileSync } from 'node:fs';
import { URL } from 'node:url';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url)));
const reading = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The reading order of docs/README.md: a group for each heading, a page for each link. */
function sidebar() {
  const [, ...parts] = reading.split(/^## /m);
  return parts.map((part) => {
    const [text = ''] = part.split('\n', 1);
    const links = [...part.matchAll(/\[([^\]]+)\]\(((?!\.\.)[^)#]+\.md)\)/g)];
    const items = links.map(([, title, path]) => ({ text: title, link: `/${path.slice(0, -3)}` }));
    return { text, items };
  });
}

/**
 * Links to files of the repository lead nowhere on the site: only their text is shown. Code is never a template of Vue: the pages on templates have
 * braces of their own.
 */
function fitToSite(md) {
  md.core.ruler.push('fit-to-site', ({ tokens, env }) => {
    const depth = (env.relativePath ?? '').split('/').length - 1;
    for (const { children } of tokens) {
      let isOutside = false;
      for (const token of children ?? []) {
        if (token.type === 'code_inline') token.attrSet('v-pre', '');
        if (token.type === 'link_open') {
          const href = token.attrGet('href') ?? '';
          const [up = ''] = /^(?:\.\.\/)*/.exec(href) ?? [];
          const isFile = !/^(?:#|https?:)/.test(href) && !/\.md(?:#|$)/.test(href);
          isOutside = isFile || up.length / 3 > depth;
        }
        if (isOutside && token.type.startsWith('link_')) {
          token.tag = 'span';
          token.attrs = null;
        }
      }
    }
  });
}

/** A block of Mermaid becomes a diagram; theme/index.js draws it. */
function drawDiagrams(md) {
  const { fence } = md.renderer.rules;
  md.renderer.rules.fence = (tokens, index, ...rest) => {
    const { info, content } = tokens[index];
    if (info.trim() !== 'mermaid') return fence(tokens, index, ...rest);
    return `<Diagram source="${md.utils.escapeHtml(content)}" />`;
  };
}

// The pages lie outside this package, so they do not find its modules by themselves.
const VUE = new URL('../node_modules/vue/dist/vue.runtime.esm-bundler.js', import.meta.url)
  .pathname;
const RENDERER = new URL('../node_modules/vue/server-renderer/index.mjs', import.meta.url).pathname;

export default {
  title: 'Quaymaster',
  description: 'A secrets broker for containers',
  srcDir: '..',
  srcExclude: ['site/**'],
  outDir: `../../dist/site/${version}`,
  base: `/${version}/`,
  rewrites: { 'README.md': 'index.md' },
  cleanUrls: false,
  markdown: {
    html: false,
    config: (md) => {
      fitToSite(md);
      drawDiagrams(md);
    },
  },
  vite: { resolve: { alias: { 'vue/server-renderer': RENDERER, vue: VUE } } },
  themeConfig: { sidebar: sidebar(), outline: [2, 3], search: { provider: 'local' } },
};
