// Elements and controls.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && key !== 'list') made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

let ids = 0;

// A slider with its name and value: { label, min, max, step, value, show, change }.
export function slider({ label, min, max, step, value, show = String, change }) {
  const id = `control-${ids++}`;
  const input = element('input', { type: 'range', id, min, max, step, value });
  const output = element('output', { htmlFor: id });
  const say = () => {
    output.textContent = show(input.valueAsNumber);
    input.setAttribute('aria-valuetext', output.textContent);
  };
  input.addEventListener('input', () => {
    say();
    change(input.valueAsNumber);
  });
  say();
  const row = element(
    'div',
    { className: 'control' },
    element('label', { htmlFor: id }, label),
    output,
    input,
  );
  return {
    row,
    set(next) {
      input.value = next;
      say();
    },
    show(shown) {
      row.hidden = !shown;
    },
  };
}

// One of several: options are [value, text] pairs; few are shown side by side.
export function choice({ label, options, value, change }) {
  const name = `choice-${ids++}`;
  const inputs = new Map();
  const parts = options.map(([option, text]) => {
    const input = element('input', { type: 'radio', name, value: option });
    input.checked = option === value;
    input.addEventListener('change', () => change(option));
    inputs.set(option, input);
    return element('label', {}, input, element('span', {}, text));
  });
  const row = element(
    'fieldset',
    { className: 'choice' },
    element('legend', {}, label),
    element('div', { className: 'options' }, ...parts),
  );
  return {
    row,
    set(next) {
      for (const [option, input] of inputs) input.checked = option === next;
    },
    show(shown) {
      row.hidden = !shown;
    },
  };
}

export function checkbox({ label, value, change }) {
  const input = element('input', { type: 'checkbox', checked: value });
  input.addEventListener('change', () => change(input.checked));
  return {
    row: element('label', { className: 'check' }, input, element('span', {}, label)),
    set(next) {
      input.checked = next;
    },
  };
}

export function button(text, click, attributes = {}) {
  const made = element('button', { type: 'button', ...attributes }, text);
  made.addEventListener('click', click);
  return made;
}

// Replaces a text only when it differs, so that screen readers hear it once.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Says in a figure what went wrong.
export function report(figure, error) {
  let line = figure.querySelector('.error');
  if (!line) {
    line = element('p', { className: 'error', role: 'alert' });
    figure.append(line);
  }
  line.textContent = `This figure has stopped: ${error.message}`;
  figure.dataset.error = error.message;
}
