"""The way into Azure: the template in Bicep, the package, the hooks of `azd up`. Needs Python 3.11 and nothing else."""
