// Light, dark, or as the system says.

const NEXT = { auto: 'light', light: 'dark', dark: 'auto' };

export function themeButton(button) {
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem('theme');
    } catch {
      return null; // A page from a file, or without storage.
    }
  };
  let theme = stored() in NEXT ? stored() : 'auto';

  function apply() {
    root.dataset.theme = theme;
    // A phone shows the second part alone.
    const [what, which] = [document.createElement('span'), document.createTextNode(theme)];
    what.textContent = 'Colors: ';
    button.replaceChildren(what, which);
    dispatchEvent(new Event('themechange'));
  }

  button.addEventListener('click', () => {
    theme = NEXT[theme];
    try {
      localStorage.setItem('theme', theme);
    } catch {
      // Then it holds for this visit.
    }
    apply();
  });
  apply();
}
