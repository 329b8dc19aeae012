"""The formula behind each page, with its source, in Markdown with LaTeX."""

__all__ = ["AVERAGE_TOKEN", "COMPARE", "GEOMETRY", "LENS", "SPECTRUM", "START", "WINDOW_LAB"]

START = r"""
The head turns a hidden state $h$ into logits $h\,W_U^\top$, and $W_U=U\,\Sigma\,V^\top$.
EmbedFilter keeps the middle of that spectrum: with $V_\tau=V_{[:,\,l:r]}$ an embedding $e$ becomes
$e\,V_\tau$, which has $r-l$ numbers.

Wu, Chen, Liu, Cui, Li and Yan, “Your UnEmbedding Matrix is Secretly a Feature Lens for Text
Embeddings”, arXiv 2606.07502 (2026).
"""

SPECTRUM = r"""
$W_U=U\,\Sigma\,V^\top$, rows of $W_U$ are tokens, so $v_i$ lives where embeddings live and
$\sigma_i U_{ji}=w_j\cdot v_i$ is what it adds to the logit of token $j$. $V$ and $\Sigma^2$ are
the eigenpairs of the $d\times d$ matrix $W_U^\top W_U$, so the tall $U$ is never formed; the error
this leaves in the small values is estimated and shown.

Wu et al., arXiv 2606.07502 (2026).
"""

AVERAGE_TOKEN = r"""
The average token $\hat h$ solves $\hat h\,W_U^\top\approx\log\hat p$ in least squares. Without
direction $i$ it is $\hat h^{(i)}=\hat h\,(I-v_iv_i^\top)$. With $\mathcal V$ a set of $k$ tokens and
$c_i=\hat h\cdot v_i$,

$$\Delta\pi^{(i)}
=\frac{\sum_{j\in\mathcal V}|\hat h^{(i)}\cdot w_j-\hat h\cdot w_j|}{\sum_{j\in\mathcal V}|\hat h\cdot w_j|}
=\frac{|c_i|\sum_{j\in\mathcal V}|w_j\cdot v_i|}{\sum_{j\in\mathcal V}|\hat h\cdot w_j|}.$$

The line in the figure is a running median over 15 directions; the dots are single ones.
Ends are the outer 5 % of the spectrum, bulk its part from 10 to 75 %.

Logit Spectroscopy: Cancedda, ACL 2024. Average token: Wu et al., arXiv 2606.07502 (2026).
"""

LENS = r"""
$V_\tau=V_{[:,\,l:r]}$ and $\Phi_\tau=V_\tau V_\tau^\top$. The full form is $\tilde e=e\,\Phi_\tau$
($d$ numbers), the reduced form $e\,V_\tau$ ($r-l$ numbers); because $V_\tau^\top V_\tau=I$ both have
the same inner products and distances. For $\tau$: $k=\lfloor d/\tau\rfloor$,
$l=\lfloor(d-k)/2\rfloor$, $r=l+k$. The lens reads $\tilde e\,W_U^\top$, with the head's bias, scale
and soft cap where it has them.

Logit Lens: nostalgebraist, 2020. EmbedFilter: Wu et al., arXiv 2606.07502 (2026).
"""

GEOMETRY = r"""
Mean cosine over all distinct pairs, exact from the sum of unit vectors
$s=\sum_i e_i/\lVert e_i\rVert$: $(\lVert s\rVert^2-n)/(n^2-n)$ (Ethayarajh 2019). IsoScore: Rudman et
al. 2022. Effective rank: $\exp(-\sum_i p_i\log p_i)$ with $p_i=\sigma_i/\sum_j\sigma_j$ of the centred
embeddings (Roy and Vetterli 2007). Intervals: jackknife over ten groups of texts.

IsoScore and effective rank grow with the number of texts: compare equal numbers only. UMAP: McInnes
et al. 2018; trustworthiness: Venna and Kaski 2001.
"""

WINDOW_LAB = r"""
Texts are embedded once and rotated once, $R=E\,V$; the window $l:r$ keeps columns $l$ to $r-1$ of
$R$. $\tau$ gives the symmetric window of $\lfloor d/\tau\rfloor$ columns. Scores: Spearman of
cosines (STS), nDCG@10 (retrieval), accuracy of logistic regression, V-measure of $k$-means, average
precision (pairs).

Differences to raw have paired bootstrap intervals. For all windows together they are widened by the
quantile of the largest deviation, each divided by its standard error (Romano and Wolf 2005), so
that with 95 % probability none of them is wrong.

A window without labels: the one whose cosines order pairs of texts most like soft whitening of
these texts does; from the checkpoint alone, the longest run of directions that hardly move the
logits of frequent tokens.

EmbedFilter: Wu et al., arXiv 2606.07502 (2026).
"""

COMPARE = r"""
Both runs are scored on the same 1,000 resamples of the task's units, and the interval is that of
the *difference*: two scores whose own intervals overlap may still differ beyond noise. Mean cosine,
IsoScore and effective rank are those of the task's texts, with jackknife intervals.
"""
