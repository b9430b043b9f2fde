"""The job behind `pyautograd train`: a convolutional network, from the data to the pictures.

    settings    what a run is asked to do        datasets    which data a folder holds
    network     the layers                       trainer     epochs, steps, evaluation
    checkpoint  saving and going on              folder      where the files of a run lie
    progress    what is seen meanwhile           report      the table and the pictures
    job         the order of all this

It needs the extra: pip install 'pyautograd[train]'. Nothing else imports this package.
"""
