import DefaultTheme from 'vitepress/theme-without-fonts';
// The library as one finished file: bundling it would take most of the time of a build. The package is that file alone, without diagrams that no page has.
import MERMAID from '@mermaid-js/tiny/dist/mermaid.tiny.js?url';
import { useData } from 'vitepress';
import { defineComponent, h, onMounted, ref, useId, watch } from 'vue';
import './style.css';

/** The smallest scale of a diagram. Below it the text would be too small to read, so the box scrolls instead. */
const SMALLEST = 0.75;
const COLORS = {
  light: {
    primaryColor: '#e8eef8',
    primaryTextColor: '#1b2330',
    primaryBorderColor: '#3b63a8',
    lineColor: '#3f4a5a',
  },
  dark: {
    primaryColor: '#22314d',
    primaryTextColor: '#e9edf5',
    primaryBorderColor: '#7fa4e6',
    lineColor: '#b9c4d6',
  },
};
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

async function draw(id, source, isDark) {
  const mermaid = await loadMermaid();
  const colors = COLORS[isDark ? 'dark' : 'light'];
  const { primaryTextColor: text, primaryColor: fill, primaryBorderColor: border } = colors;
  const paper = isDark ? '#1b1b1f' : '#ffffff';
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: 'strict',
    theme: 'base',
    flowchart: { wrappingWidth: 280, subGraphTitleMargin: { top: 4, bottom: 12 } },
    fontFamily: 'ui-sans-serif, system-ui, sans-serif',
    themeVariables: {
      ...colors,
      darkMode: isDark,
      background: paper,
      textColor: text,
      secondaryColor: fill,
      tertiaryColor: isDark ? '#1b2435' : '#f5f7fb',
      tertiaryTextColor: text,
      tertiaryBorderColor: border,
      edgeLabelBackground: paper,
      clusterBkg: isDark ? '#1b2435' : '#f5f7fb',
      clusterBorder: border,
      titleColor: text,
      transitionLabelColor: text,
      stateLabelColor: text,
      labelBackgroundColor: paper,
    },
  });
  const { svg } = await mermaid.render(id, source);
  const width = Number(/viewBox="\S+ \S+ (\S+)/.exec(svg)?.[1] ?? 0);
  return { svg, style: { maxWidth: `${width}px`, minWidth: `${width * SMALLEST}px` } };
}

/** A diagram, drawn in the browser: Mermaid needs one to measure text. Until then, and without scripts, the page shows its source. */
const Diagram = defineComponent({
  props: { source: { type: String, required: true } },
  setup({ source }) {
    const { isDark } = useData();
    const id = `diagram-${useId()}`;
    const drawn = ref();
    const redraw = async () => {
      drawn.value = await draw(id, source, isDark.value);
    };
    onMounted(redraw);
    watch(isDark, redraw);
    return () =>
      drawn.value === undefined
        ? h('pre', { class: 'diagram' }, source)
        : h('div', { class: 'diagram', role: 'group', 'aria-label': 'Diagram', tabindex: 0 }, [
            h('div', { style: drawn.value.style, innerHTML: drawn.value.svg }),
          ]);
  },
});

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => app.component('Diagram', Diagram),
};
