// A page of documentation: its colors, and contents that are open where there is room beside the text.

import { themeButton } from './theme.js';

themeButton(document.querySelector('#theme'));

const wide = matchMedia('(min-width: 70rem)');
const contents = document.querySelector('.contents');
const arrange = () => (contents.open = wide.matches);
wide.addEventListener('change', arrange);
arrange();
