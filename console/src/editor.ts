import { autocompletion, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { Compartment, EditorState } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { Schema } from './client.ts';
import { completeFrom, loadSchemas } from './completion.ts';

/** Colours are the tokens of the page, which a shadow root inherits. Lint draws with pictures otherwise, which the policy of the page forbids. */
const LOOK = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'var(--page)', fontSize: 'var(--normal)' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-1px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5' },
  '.cm-content': { minHeight: '16rem', paddingBottom: '0.75rem', caretColor: 'var(--text)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': {
    backgroundColor: 'var(--raised)',
    color: 'var(--quiet)',
    borderRight: '1px solid var(--line)',
  },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground':
    { backgroundColor: 'color-mix(in srgb, var(--accent) 25%, transparent)' },
  '.cm-tooltip': {
    border: '1px solid var(--line-strong)',
    backgroundColor: 'var(--page)',
    color: 'var(--text)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--accent)',
    color: 'var(--on-accent)',
  },
  '.cm-completionDetail': { color: 'inherit', fontStyle: 'normal', marginLeft: '1em' },
  '.cm-completionInfo': { maxWidth: '24rem', whiteSpace: 'pre-wrap' },
  '.cm-lintRange': {
    backgroundImage: 'none',
    textDecoration: 'underline wavy var(--bad)',
    textUnderlineOffset: '0.25em',
  },
  '.cm-diagnostic': { borderLeft: '3px solid var(--bad)' },
});

/** Types over a selection. Chromium would keep the style of the text in a `style` attribute, which the policy of the page forbids. */
const TYPING = EditorView.domEventHandlers({
  beforeinput({ inputType, data }, view) {
    const { main } = view.state.selection;
    if (inputType !== 'insertText' || data === null || main.empty) return false;
    view.dispatch(view.state.replaceSelection(data), { userEvent: 'input.type' });
    return true;
  },
});

const COLOURS = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: tags.comment, color: 'var(--quiet)' },
  { tag: [tags.string, tags.content], color: 'var(--text)' },
  { tag: [tags.separator, tags.squareBracket, tags.brace], color: 'var(--quiet)' },
]);

/** A text area for documents. Its styles are in a shadow root, as constructed style sheets: in the page they would be a `<style>`, which the policy forbids. */
class DocumentEditor extends HTMLElement {
  readonly #completion = new Compartment();
  readonly #view: EditorView;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    this.#view = new EditorView({ parent: root, root });
  }

  /** Begins with a text. `onInput` learns of each change. */
  begin(text: string, label: string, onInput: (text: string) => void): void {
    const extensions = [
      lineNumbers(),
      history(),
      drawSelection(),
      highlightSpecialChars(),
      indentUnit.of('  '),
      yaml(),
      syntaxHighlighting(COLOURS),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false' }),
      keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
      this.#completion.of([]),
      LOOK,
      TYPING,
      EditorView.updateListener.of((update) => {
        if (update.docChanged) onInput(update.state.doc.toString());
      }),
    ];
    this.#view.setState(EditorState.create({ doc: text, extensions }));
  }

  /** Completes from the schema of that name. Without the contract the editor works, and completes nothing. */
  async completeBy(name: string): Promise<void> {
    const schemas = await loadSchemas();
    const source = completeFrom(schemas, schemas[name] ?? {});
    const completion = autocompletion({ override: [source], icons: false });
    this.#view.dispatch({ effects: this.#completion.reconfigure(completion) });
  }

  /** Marks faults at their positions. */
  mark(problems: readonly Schema<'DocumentProblem'>[]): void {
    const { doc } = this.#view.state;
    const diagnostics = problems.map(({ line = 1, column = 1, message }): Diagnostic => {
      const { from: start, to } = doc.line(Math.min(line, doc.lines));
      const from = Math.min(start + column - 1, to);
      return { from, to, severity: 'error', message };
    });
    this.#view.dispatch(setDiagnostics(this.#view.state, diagnostics));
  }
}

customElements.define('document-editor', DocumentEditor);

export function createEditor(): DocumentEditor {
  return new DocumentEditor();
}
export type { DocumentEditor };
