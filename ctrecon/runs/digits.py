"""How many digits of a metric people are shown: the same everywhere."""

DIGITS = {"psnr": 2, "ssim": 3, "rmse_hu": 1}  # far below what seeds and patients vary by


def shown(metric: str, value: float) -> str:
    """One value.

    Example:
        >>> shown("psnr", 29.725), shown("ssim", 0.8)
        ('29.73', '0.800')
    """
    return f"{value:.{DIGITS[metric]}f}"


def quality(psnr: float, ssim: float) -> str:
    """Both metrics of one image or of a mean.

    Example:
        >>> quality(29.7251, 0.80049)
        '29.73 dB, SSIM 0.800'
    """
    return f"{shown('psnr', psnr)} dB, SSIM {shown('ssim', ssim)}"
