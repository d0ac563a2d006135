import DefaultTheme from 'vitepress/theme-without-fonts';
// The library as one finished file: bundling it would take most of the time of a build.
import MERMAID from 'mermaid/dist/mermaid.min.js?url';
import { h } from 'vue';

let loaded;

/** Mermaid, which its file leaves in a global variable. */
function loadMermaid() {
  loaded ??= new Promise((resolve, reject) => {
    const script = Object.assign(globalThis.document.createElement('script'), { src: MERMAID });
    script.onload = () => resolve(globalThis.mermaid);
    script.onerror = reject;
    globalThis.document.head.append(script);
  });
  return loaded;
}

/** A diagram, drawn in the browser: Mermaid needs one to measure text. Until then, and without scripts, the page shows its source. */
const Diagram = {
  props: { source: String },
  data: () => ({ svg: '' }),
  async mounted() {
    const mermaid = await loadMermaid();
    mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' });
    const { svg } = await mermaid.render(`diagram-${this.$.uid}`, this.source);
    this.svg = svg;
  },
  render() {
    return this.svg === '' ? h('pre', this.source) : h('div', { innerHTML: this.svg });
  },
};

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => app.component('Diagram', Diagram),
};
